package risk

import "testing"

// Ordinary ways to write a statement do not hide it.
func TestFormattingHidesNoStatement(t *testing.T) {
	t.Parallel()
	for _, e := range []Example{
		{"m.sql", "DROP\fTABLE users;"}, {"m.sql", "DROP\vTABLE users;"},
		{"m.sql", "INSERT INTO t VALUES ('it\\'s');\nDROP TABLE users;\n"}, {"m.sql", "-- `x`\nINSERT INTO t VALUES ('C:\\');\nDROP TABLE users;\n"},
		{"m.sql", "DELETE FROM users # WHERE id = 1\n;"}, {"m.sql", "SELECT 5--1; DROP TABLE users;"},
		{"m.sql", "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nTRUNCATE users//\n"}, {"m.sql", "SELECT 1;\nDELIMITER $$\nINSERT INTO a VALUES (1)$$\nDROP TABLE users$$\n"},
		{"m.sql", "INSERT INTO t VALUES (1)\n/\nDROP TABLE users\n/\n"}, {"m.sql", "INSERT INTO t VALUES (1)\nDROP TABLE users\nGO\n"},
		{"m.sql", "SET NOCOUNT ON\nTRUNCATE TABLE users\nGO\n"}, {"m.sql", "SET NOCOUNT ON\nDELETE FROM users\nGO\n"},
		{"x.sh", "((flags = 1 << 3))\nrm -rf /\n"}, {"x.sh", "x=$((1 << 3))\nrm -rf /\n"}, {"x.sh", "cat <<X\nrm -rf /\n"}, {"x.sh", "rm / -rf\n"}, {"x.sh", "x=`rm -rf /`\n"},
		{"x.sh", "function f { rm -rf /; }\n"}, {"x.sh", "rm -rf /{etc,usr}\n"},
		{"w.yml", "a:\n  - {run: rm -rf /}\n"}, {"w.yml", "a: {name: \"x, y\", run: \"rm -rf /\"}\n"}, {"w.yml", "a:\n  - run:\n      rm -rf /\n"}, {"w.yml", "a:\n  - run:\n      rm\n      -rf /\n"},
		{"w.yml", "a:\n  - run: | # it's\n      rm -rf /\n"}, {"w.yml", "a:\n  - run: &x |\n      rm -rf /\n"},
		{"Dockerfile", "RUN bash <<EOF\nrm -rf /\nEOF\n"}, {"Makefile", "clean: ; rm -rf /\n"},
	} {
		if got := found(e.File, e.Text); len(got) != 1 {
			t.Errorf("%s: %q: found %q", e.File, e.Text, got)
		}
	}
}

func TestFormattingMakesNoStatement(t *testing.T) {
	t.Parallel()
	for _, e := range []Example{
		{"m.sql", "INSERT INTO `t` VALUES ('don\\'t drop table x or truncate it');\n"}, {"m.sql", "INSERT INTO t VALUES ('don\\'t drop table x');\n"},
		{"m.sql", "DELETE FROM users # all\nWHERE id = 1;"}, {"m.sql", "ALTER TABLE t\nDROP CONSTRAINT x;"}, {"m.sql", "GRANT SELECT,\nTRUNCATE ON t TO x;"},
		{"m.sql", "CREATE TRIGGER t AFTER\nDELETE ON x FOR EACH ROW EXECUTE FUNCTION f();"}, {"m.sql", "WITH a AS (SELECT 1)\nDELETE FROM t WHERE x;"}, {"m.sql", "SELECT 1 --DROP TABLE x;\n;"},
		{"x.sh", "cat > f <<EOF\nrm -rf /\nEOF\necho $((1 << 2))\n"}, {"x.sh", "((x = 1)) && cat > f <<EOF\nrm -rf /\nEOF\n"},
		{"w.yml", "a:\n  - {name: rm -rf /}\n"}, {"w.yml", "command:\n  key: rm -rf /\n"}, {"Dockerfile", "RUN cat > f <<EOF\nrm -rf /\nEOF\n"}, {"Makefile", "X := a; rm -rf /\n"},
	} {
		if got := found(e.File, e.Text); len(got) != 0 {
			t.Errorf("%s: %q: found %q", e.File, e.Text, got)
		}
	}
}
