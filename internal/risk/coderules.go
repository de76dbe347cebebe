package risk

// codeRules are about the calls of migrations. They match words anywhere.
func codeRules() []Rule {
	return []Rule{
		{
			ID: "migration-drop-table", Name: SQL, Reads: LangCode,
			Match: []string{"... op . drop_table (", "... drop_table :|(|_", "... dropTable|dropTableIfExists|dropSchema|dropCollection ( \"", "... dropAllTables|dropDatabase ( )", "... Schema : : drop|dropIfExists|dropAllTables (",
				"... migrations|mb|migrationBuilder . DeleteModel|DropTable|DropSchema (", "... schema_editor . delete_model (", "... drop_join_table (|:"},
			Unless: []string{"def drop_table", "function dropTable"}, Check: notDeclared,
			Why: "it drops a table with all of its rows",
			Hits: []Example{
				{"migrations/1.py", "def upgrade():\n    op.drop_table('users')"}, {"db/1.rb", "def up\n  drop_table :users\nend"}, {"m/1.js", "exports.up = async (knex) => {\n  await knex.schema.dropTable('users');\n};"},
				{"database/1.php", "<?php\npublic function up() {\n  Schema::dropIfExists('users');\n}"}, {"a.py", "client.drop_database = 1\nx = [migrations.DeleteModel(name='U')]"},
			},
			Misses: []Example{{"1.py", "# op.drop_table('users')"}, {"1.py", "x = 'op.drop_table(1)'"}, {"a.js", "function dropTable(x) {}"}, {"a.py", "def drop_table(self, x):\n    pass"}, {"a.rb", "create_table :users"}},
		},
		{
			ID: "migration-drop-column", Name: SQL, Reads: LangCode,
			Match: []string{"... op . drop_column (", "... remove_column|remove_columns|drop_column :|(", "... dropColumn|dropColumns|removeColumn ( \"", "... dropColumns ( [", "... migrationBuilder . DropColumn (", "... migrations . RemoveField ("}, Check: notDeclared,
			Why:    "it drops a column with its values in every row",
			Hits:   []Example{{"m/1.py", "op.drop_column('users', 'email')"}, {"db/1.rb", "remove_column :users, :email"}, {"m/1.js", "await queryInterface.removeColumn('users', 'email')"}, {"m/1.py", "migrations.RemoveField(model_name='u', name='e')"}},
			Misses: []Example{{"m/1.py", "op.add_column('users', c)"}, {"m/1.js", "// removeColumn('users')"}, {"a.go", "func (b *b) dropColumn(name string) { x.dropColumn(name) }"}},
		},
		{
			ID: "orm-delete-all", Name: SQL, Reads: LangCode,
			Match: []string{"... objects . all ( ) . delete (", "... objects . all ( ) . _raw_delete (", "... deleteMany ( { } )|,", "... deleteMany ( )", "... delete_all|destroy_all ;|end|}", "... dropDatabase|drop_database (", "... flushall|flushdb|flushAll|flushDb|FLUSHALL (",
				"... destroy ( { truncate : true", "... destroy ( { where : { } }", "... truncate ( { cascade", "... metadata . drop_all (", "... create_all|sync ( { force : true", "... indices . delete ( index = *"},
			Why:    "it deletes every row, or a whole database",
			Hits:   []Example{{"a.py", "User.objects.all().delete()"}, {"a.js", "await db.users.deleteMany({})"}, {"a.js", "client.db().dropDatabase()"}, {"a.py", "r.flushall()"}, {"a.js", "await User.destroy({ truncate: true })"}},
			Misses: []Example{{"a.py", "User.objects.filter(id=1).delete()"}, {"a.js", "db.users.deleteMany({ old: true })"}, {"a.py", "# User.objects.all().delete()"}},
		},
		{
			ID: "code-remove-tree", Name: Command, Reads: LangCode, Match: []string{"... rmtree|rmdirSync|rmSync|rm_rf|remove_dir_all|RemoveAll|rimraf|rm_r|removeSync|emptyDirSync ( _", "... rm_rf|rm_r _"}, Check: removesRoot,
			Why:    "it removes a root or a home",
			Hits:   []Example{{"a.py", `shutil.rmtree("/")`}, {"a.go", `os.RemoveAll("/home")`}, {"a.js", `fs.rmSync("/", {recursive: true})`}},
			Misses: []Example{{"a.py", `shutil.rmtree("/tmp/x")`}, {"a.py", "shutil.rmtree(path)"}, {"a.go", `os.RemoveAll("build")`}},
		},
	}
}

// notDeclared says that a name is used, not declared.
func notDeclared(u *unit, at span) bool {
	if at.from == 0 {
		return true
	}
	switch before := u.words[at.from-1]; before.text {
	case "def", "function", "func", "fn", "fun", "void", "interface", "class", "async":
		return before.quoted
	}
	for _, w := range u.text(at) {
		if w.quoted {
			return w.text != "" // drop_table "users"
		}
	}
	return true
}

func removesRoot(u *unit, at span) bool {
	target := u.words[at.to-1]
	return target.quoted && target.text != "." && target.text != "*" && wideTarget(target.text, nil)
}
