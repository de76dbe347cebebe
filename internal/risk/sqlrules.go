package risk

// sqlStarts are words after which a statement can begin within another: bodies of
// functions, branches, common table expressions.
var sqlStarts = map[string]bool{
	"BEGIN": true, "THEN": true, "ELSE": true, "LOOP": true, "DO": true, "AS": true, "(": true, "ROW": true,
	"$$": true, ":": true, "}": true, "ANALYZE": true, "IS": true, ")": true, "'": true,
}

// lacksCondition says that a statement that changes rows names no condition, or
// one that is always true. A condition of a query within it is not its own.
func lacksCondition(u *unit, at span) bool {
	depth := 0
	for i := at.to; i < len(u.words); i++ {
		switch w := u.words[i]; {
		case w.text == hashComment:
			for i+1 < len(u.words) && u.words[i+1].line == w.line {
				i++
			}
		case w.text == "(":
			depth++
		case w.text == ")":
			if depth--; depth < 0 {
				return true
			}
		case w.quoted || depth > 0:
		case w.text == "WHERE":
			return alwaysTrue(u.words[i+1:])
		case w.text == "LIMIT" || w.text == "JOIN" || w.text == "USING":
			return false
		}
	}
	return true
}

func alwaysTrue(condition []word) bool {
	switch {
	case len(condition) == 0:
		return true
	case len(condition) == 1:
		return condition[0].text == "TRUE" || condition[0].text == "1"
	case len(condition) == 3 && condition[1].text == "=" && !condition[0].quoted:
		return condition[0].text == condition[2].text
	}
	return false
}

// isStatement tells a statement from one that speaks of statements: GRANT DROP TABLE.
func isStatement(u *unit, at span) bool {
	switch u.words[0].text {
	case "GRANT", "REVOKE", "DENY", "COMMENT", "SELECT", "INSERT", "VALUES":
		return false
	case "CREATE":
		// CREATE EVENT TRIGGER … WHEN TAG IN, and triggers BEFORE TRUNCATE
		return !(len(u.words) > 1 && (u.words[1].text == "EVENT" || u.words[1].text == "PUBLICATION"))
	}
	return at.from == 0 || u.words[at.from-1].text != "."
}

// dropsColumn tells columns from what else ALTER TABLE can drop without harm.
func dropsColumn(u *unit, at span) bool {
	next := u.words[at.to-1]
	if next.quoted {
		return true
	}
	switch next.text {
	case "CONSTRAINT", "INDEX", "KEY", "PRIMARY", "FOREIGN", "CHECK", "DEFAULT", "NOT", "IDENTITY", "EXPRESSION",
		"UNIQUE", "SYSTEM", "PERIOD", "STATISTICS", "MATERIALIZED", "PROJECTION", "TTL", "TABLE", "IF", "(", "COLUMN", "COLUMNS":
		return false
	}
	return isWordByte(next.text[0])
}

func notTemporary(u *unit, at span) bool {
	if !isStatement(u, at) {
		return false
	}
	for _, w := range u.words[at.to-1 : min(len(u.words), at.to+3)] {
		if w.text == "#" || w.text == "PG_TEMP" {
			return false
		}
	}
	return true
}

func sqlRules() []Rule {
	return []Rule{
		{
			ID: "sql-drop-table", Name: SQL, Reads: LangSQL, Match: []string{"... DROP FOREIGN?|EXTERNAL? TABLE _", "... DROP TABLE _"}, Check: notTemporary,
			Why: "it drops a table with all of its rows",
			Hits: []Example{
				{"m.sql", "DROP TABLE users;"}, {"m.sql", "drop /* gone */ table\n  if exists users cascade"},
				{"m.sql", "DO $$ BEGIN IF x THEN DROP TABLE users; END IF; END $$;"}, {"m.sql", "/*!40000 DROP TABLE users */;"},
				{"m.sql", "EXECUTE 'drop table ' || name;"}, {"m.sql", "IF OBJECT_ID('u') IS NOT NULL DROP TABLE [u]\nGO"},
				{"x.sh", "psql <<SQL\nDROP TABLE users;\nSQL"}, {"x.sh", `psql "$URL" -c 'DROP TABLE users'`},
				{"a.py", `op.execute("DROP TABLE users")`}, {"a.js", "knex.raw(`DROP TABLE users`)"},
			},
			Misses: []Example{
				{"m.sql", "-- DROP TABLE users;"}, {"m.sql", "SELECT 'DROP TABLE users';"}, {"m.sql", "/* DROP TABLE users; */"},
				{"m.sql", "DROP TEMPORARY TABLE users;"}, {"m.sql", "DROP TABLE #t;"}, {"m.sql", "INSERT INTO t VALUES ('x; DROP TABLE users;');"},
				{"x.sh", "echo 'DROP TABLE users'"}, {"a.py", "# DROP TABLE users"}, {"a.py", `raise Error("cannot drop table users")`},
				{"m.sql", "COPY t FROM STDIN;\nDROP TABLE users;\n\\.\n"}, {"README.md", "DROP TABLE users;"},
			},
		},
		{
			ID: "sql-drop-database", Name: SQL, Reads: LangSQL, Match: []string{"... DROP DATABASE|SCHEMA|KEYSPACE|TABLESPACE|WAREHOUSE _"}, Check: isStatement,
			Why:    "it drops a database or schema with everything in it",
			Hits:   []Example{{"m.sql", "DROP DATABASE shop;"}, {"m.sql", "drop schema if exists audit cascade;"}, {"m.cql", "DROP KEYSPACE shop;"}},
			Misses: []Example{{"m.sql", "GRANT DROP ON DATABASE shop TO x;"}, {"m.sql", "CREATE SCHEMA audit;"}},
		},
		{
			ID: "sql-drop-owned", Name: SQL, Reads: LangSQL, Match: []string{"DROP OWNED _", "DROP USER|ROLE _ ... CASCADE"},
			Why:  "it drops everything that an account owns",
			Hits: []Example{{"m.sql", "DROP OWNED BY app CASCADE;"}}, Misses: []Example{{"m.sql", "DROP ROLE app;"}},
		},
		{
			ID: "sql-drop-column", Name: SQL, Reads: LangSQL, Match: []string{"ALTER FOREIGN? TABLE ... DROP COLUMN _"},
			Why:    "it drops a column with its values in every row",
			Hits:   []Example{{"m.sql", "ALTER TABLE users ADD x int, DROP COLUMN email;"}, {"m.sql", "alter table only users\n drop column if exists email;"}},
			Misses: []Example{{"m.sql", "ALTER TABLE users ADD COLUMN email text;"}, {"m.sql", "ALTER TABLE users DROP CONSTRAINT c;"}},
		},
		{
			ID: "sql-drop-column-short", Name: SQL, Reads: LangSQL, Match: []string{"ALTER TABLE _ DROP _", "ALTER TABLE _ . _ DROP _", "ALTER TABLE ... , DROP _"}, Check: dropsColumn,
			Why:    "it drops a column with its values in every row",
			Hits:   []Example{{"m.sql", "ALTER TABLE users DROP email;"}, {"m.sql", "ALTER TABLE public.users DROP `email`;"}, {"m.sql", "ALTER TABLE users ADD a int, DROP email;"}},
			Misses: []Example{{"m.sql", "ALTER TABLE users DROP CONSTRAINT c;"}, {"m.sql", "ALTER TABLE t ALTER COLUMN c DROP NOT NULL;"}, {"m.sql", "ALTER TABLE t DROP PRIMARY KEY;"}},
		},
		{
			ID: "sql-drop-partition", Name: SQL, Reads: LangSQL, Match: []string{"ALTER TABLE ... DROP|TRUNCATE IF? EXISTS? PARTITION _"},
			Why:  "it drops a part of a table with its rows",
			Hits: []Example{{"m.sql", "ALTER TABLE log DROP PARTITION p2020;"}}, Misses: []Example{{"m.sql", "ALTER TABLE log ADD PARTITION p;"}},
		},
		{
			ID: "sql-truncate", Name: SQL, Reads: LangSQL, Match: []string{"TRUNCATE TABLE? _"}, Unless: []string{"TRUNCATE TABLE? ("},
			Why:    "it empties a table",
			Hits:   []Example{{"m.sql", "TRUNCATE users;"}, {"m.sql", "truncate table only users restart identity"}, {"m.sql", "CREATE FUNCTION f() AS $x$ BEGIN TRUNCATE users; END $x$;"}},
			Misses: []Example{{"m.sql", "SELECT TRUNCATE(1.2, 1);"}, {"m.sql", "CREATE TRIGGER t BEFORE TRUNCATE ON users EXECUTE FUNCTION f();"}, {"m.sql", "GRANT TRUNCATE ON users TO x;"}},
		},
		{
			ID: "sql-delete-all", Name: SQL, Reads: LangSQL, Match: []string{"DELETE FROM _"}, Check: lacksCondition,
			Why:    "it deletes every row: it has no condition, or one that is always true",
			Hits:   []Example{{"m.sql", "DELETE FROM users;"}, {"m.sql", "delete from users where 1=1;"}, {"a.go", "q := \"DELETE FROM \" + c.config.Table\nif x {\n y(\" WHERE z\")\n}"}, {"m.sql", "WITH d AS (DELETE FROM users RETURNING *) SELECT 1 FROM d WHERE x;"}, {"x.sh", `mysql -e "DELETE FROM users"`}},
			Misses: []Example{{"m.sql", "DELETE FROM users WHERE id = 1;"}, {"m.sql", "DELETE FROM users -- all\nWHERE id IN (SELECT 1);"}, {"m.sql", "CREATE TABLE t (u int REFERENCES u ON DELETE CASCADE);"}, {"a.go", "q := \"DELETE FROM \" + quote(c.config.Table) + \" WHERE id = $1\""}, {"a.go", "q := `DELETE FROM \"` + c.config.Table + `\" WHERE version = ?`"}},
		},
		{
			ID: "sql-update-all", Name: SQL, Reads: LangSQL, Match: []string{"UPDATE _ SET", "UPDATE ONLY? _ . _ SET", "UPDATE ONLY|_ _ SET", "UPDATE _ AS _ SET"}, Check: lacksCondition,
			Why:    "it overwrites a value in every row: it has no condition, or one that is always true",
			Hits:   []Example{{"m.sql", "UPDATE users SET active = false;"}, {"m.sql", "UPDATE public.users SET name = (SELECT x FROM y WHERE z);"}},
			Misses: []Example{{"m.sql", "UPDATE users SET a = 1 WHERE id = 2;"}, {"m.sql", "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1;"}, {"m.sql", "SELECT 1 FOR UPDATE;"}, {"a.py", "x = ('UPDATE users SET a = 1 '\n  'WHERE id = 2')"}, {"a.js", "x = \"UPDATE t SET a = 1 \" + \n \"WHERE b\""}},
		},
		{
			ID: "sql-grant-all", Name: Protection, Reads: LangSQL, Match: []string{"GRANT ALL ... ON ALL|DATABASE|SCHEMA|*", "GRANT ... TO PUBLIC", "ALTER USER|ROLE _ ... SUPERUSER|BYPASSRLS"},
			Unless: []string{"GRANT USAGE|EXECUTE|SELECT|CONNECT ... TO PUBLIC"},
			Why:    "it gives an account all rights, or everybody more than reading",
			Hits:   []Example{{"m.sql", "GRANT ALL PRIVILEGES ON ALL TABLES IN SCHEMA public TO app;"}, {"m.sql", "ALTER ROLE app WITH SUPERUSER;"}},
			Misses: []Example{{"m.sql", "GRANT SELECT ON users TO app;"}, {"m.sql", "GRANT EXECUTE ON FUNCTION f() TO PUBLIC;"}},
		},
		{
			ID: "sql-disable-protection", Name: Protection, Reads: LangSQL,
			Match:  []string{"ALTER TABLE ... DISABLE TRIGGER|RULE|ROW _?", "DISABLE TRIGGER _", "ALTER TABLE ... NO FORCE ROW LEVEL SECURITY", "DROP POLICY _"},
			Why:    "it turns off triggers, rules or the row security of a table",
			Hits:   []Example{{"m.sql", "ALTER TABLE users DISABLE TRIGGER ALL;"}, {"m.sql", "ALTER TABLE users DISABLE ROW LEVEL SECURITY;"}},
			Misses: []Example{{"m.sql", "ALTER TABLE users ENABLE TRIGGER ALL;"}},
		},
	}
}
