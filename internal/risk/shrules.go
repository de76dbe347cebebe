package risk

// Options can stand before what a command is told to do: "kubectl -n x delete".
func commandRules() []Rule {
	return []Rule{
		{
			ID: "rm-recursive", Name: Command, Reads: LangShell, Match: []string{"rm"}, Check: removesWidely,
			Why: "it removes a root, a home, everything here, or what becomes one of these when a variable is empty",
			Hits: []Example{
				{"x.sh", "rm -rf /"}, {"x.sh", `sudo rm -fr "$HOME"`}, {"x.sh", `rm -r -f "$STEAMROOT/"*`}, {"x.sh", "rm -rf ./*"}, {"x.sh", "rm -rf /var/lib/postgresql/*"},
				{"x.sh", "find . | xargs rm -rf /etc"}, {"Dockerfile", "FROM x\nRUN true && \\\n  rm -rf /usr"}, {"Makefile", "clean:\n\t@rm -rf $(PREFIX)/*"},
				{".github/workflows/x.yml", "jobs:\n  a:\n    steps:\n      - run: |\n          echo a\n          rm -rf ~/*\n"}, {"package.json", `{"scripts": {"clean": "rm -rf /"}}`},
				{"x.sh", "sh -c 'true; rm -rf /*'"}, {"a.py", `os.system("rm -rf /")`}, {"a.js", "execSync('rm -rf ~')"}, {"x.sh", "x=$(rm -rf /)"}, {"x.sh", "D=/; rm -rf $D/*"}, {"x.sh", "D=$1\nrm -rf \"$D\"/*"}, {"x.sh", "D=/; rm -rf $D/*; D=build"}, {"x.sh", "rm -rf /home/$USER"}, {"run", "#!/bin/sh\nrm -rf /home"},
			},
			Misses: []Example{
				{"x.sh", `rm -rf "$dir"`}, {"x.sh", "rm -rf node_modules build/*"}, {"x.sh", "# rm -rf /"}, {"x.sh", "echo 'rm -rf /'"}, {"x.sh", "rm -f /etc/x"}, {"x.sh", "rm -rf ${DIR:?}/*"},
				{"Dockerfile", "RUN rm -rf /var/lib/apt/lists/* /tmp/*"}, {"x.sh", "cat > f <<EOF\nrm -rf /\nEOF"}, {"x.sh", "rm -rf '$HOME'"}, {"x.sh", `rm -rf "$TMPDIR"/*`}, {"README.md", "rm -rf /"}, {"x.sh", `printf "%s" "rm -rf /"`}, {"x.sh", "D=build\nrm -rf $D/*"}, {"x.sh", "local D=/tmp/x; rm -rf $D/*"}, {"Makefile", "D = /tmp/x\nclean:\n\trm -rf $(D)/*"},
			},
		},
		{
			ID: "find-delete", Name: Command, Reads: LangShell, Match: []string{"find _ ... -delete", "find _ ... -exec|-execdir rm"},
			Check: func(u *unit, _ span) bool {
				from := u.vars.resolve(u.words[1].text)
				return from != "." && from != "./" && from != "*" && wideTarget(from, nil)
			},
			Why:    "it removes what it finds below a root, a home, or what becomes one when a variable is empty",
			Hits:   []Example{{"x.sh", "find / -name '*.db' -delete"}, {"x.sh", `find $HOME -type f -exec rm {} \;`}},
			Misses: []Example{{"x.sh", "find . -name '*.pyc' -delete"}, {"Makefile", "srcdir = .\nclean:\n\tfind $(srcdir) -name x -delete"}, {"x.sh", "find / -name x -print"}},
		},
		{
			ID: "disk-write", Name: Command, Reads: LangShell, Match: []string{"dd|shred|wipefs|blkdiscard|sgdisk|cat|cp|echo"}, Check: hasDevice,
			Why:    "it writes over a disk",
			Hits:   []Example{{"x.sh", "dd if=/dev/zero of=/dev/sda bs=1M"}, {"x.sh", "wipefs -a /dev/nvme0n1"}, {"x.sh", "cat x > /dev/sdb"}},
			Misses: []Example{{"x.sh", "dd if=/dev/urandom of=key bs=32 count=1"}, {"x.sh", "echo x > /dev/null"}, {"x.sh", "dd if=/dev/sda of=image"}},
		},
		{
			ID: "make-filesystem", Name: Command, Reads: LangShell, Match: []string{"mkfs|mkfs.*|mke2fs|zpool|lvremove|vgremove|pvremove|mdadm"}, Check: destroysVolume,
			Why:    "it makes a file system or removes a volume: what was there is gone",
			Hits:   []Example{{"x.sh", "mkfs.ext4 -F /dev/sdb1"}, {"x.sh", "sudo lvremove -y vg/data"}, {"x.sh", "zpool destroy tank"}},
			Misses: []Example{{"x.sh", "mkfs.ext4 image.img"}, {"x.sh", "zpool status"}, {"x.sh", "man mkfs"}},
		},
		{
			ID: "chmod-root", Name: Command, Reads: LangShell, Match: []string{"chmod|chown|chgrp"},
			Check: func(u *unit, s span) bool {
				return hasFlag("R", "--recursive")(u, s) && removesWidely(&unit{words: withoutMode(u.words), vars: u.vars}, s)
			},
			Why:    "it changes owner or mode of a whole system directory or home",
			Hits:   []Example{{"x.sh", "chmod -R 777 /"}, {"x.sh", "chown -R app:app /etc"}},
			Misses: []Example{{"x.sh", "chmod -R 755 /srv/app/x"}, {"x.sh", "chmod 755 /etc"}, {"x.sh", "chown -R app ."}},
		},
		{
			ID: "git-force-push", Name: Command, Reads: LangShell, Match: []string{"git ... push"}, Check: forcesPush,
			Why:    "it overwrites or deletes what is in a repository at the forge",
			Hits:   []Example{{"x.sh", "git push --force origin main"}, {"x.sh", "git -C x push -f"}, {"x.sh", "git push origin +main"}, {"x.sh", "git push origin --delete v1"}},
			Misses: []Example{{"x.sh", "git push origin main"}, {"x.sh", "git push --force-with-lease"}, {"x.sh", "git push --follow-tags"}, {"x.sh", `git commit -m "push --force"`}},
		},
		{
			ID: "database-drop-command", Name: SQL, Reads: LangShell,
			Match: []string{"dropdb _", "mysqladmin ... drop", "rails|rake|bundle|bin/rails ... db:drop|db:reset|db:schema:load|db:truncate_all|db:purge", "php ... migrate:fresh|db:wipe|migrate:reset|doctrine:database:drop|doctrine:schema:drop",
				"python|python3|./manage.py|manage.py|django-admin ... flush|reset_db|sqlflush", "prisma|npx|yarn|pnpm ... migrate reset", "npx|yarn|pnpm|prisma ... --accept-data-loss", "sequelize|npx ... db:drop", "alembic ... downgrade base",
				"flyway ... clean", "liquibase ... drop-all|dropAll", "mix ecto.drop|ecto.reset", "manage.py|./manage.py migrate _ zero", "influx ... bucket delete"},
			Why:    "it drops or empties a database",
			Hits:   []Example{{"x.sh", "dropdb shop"}, {"x.sh", "bundle exec rails db:drop"}, {"x.sh", "python manage.py flush --no-input"}, {"package.json", `{"scripts": {"r": "prisma migrate reset --force"}}`}, {"x.sh", "RAILS_ENV=production rake db:reset"}},
			Misses: []Example{{"x.sh", "rails db:migrate"}, {"x.sh", "python manage.py migrate"}, {"x.sh", "alembic upgrade head"}, {"x.sh", "createdb shop"}},
		},
		{
			ID: "store-flush", Name: SQL, Reads: LangShell, Match: []string{"redis-cli|valkey-cli|keydb-cli ... FLUSHALL|FLUSHDB|flushall|flushdb", "etcdctl ... del ... --prefix|--from-key", "mongo|mongosh ... --eval *dropDatabase*|*.drop()*|*deleteMany({})*", "kafka-topics|kafka-topics.sh ... --delete"},
			Why:    "it empties a store of data",
			Hits:   []Example{{"x.sh", "redis-cli -h x FLUSHALL"}, {"x.sh", `mongosh --eval "db.dropDatabase()"`}},
			Misses: []Example{{"x.sh", "redis-cli get FLUSHALL:x"}, {"x.sh", "etcdctl del one"}},
		},
	}
}

func infrastructureRules() []Rule {
	return []Rule{
		{
			ID: "terraform-destroy", Name: Infrastructure, Reads: LangShell, Match: []string{"terraform|tofu|terragrunt|cdk|pulumi|cdktf|sst|serverless|sls|eksctl|kops|vagrant ... destroy|destroy-all|down|remove|delete|*-destroy"}, Check: notIn("cdk", "vagrant", "help"),
			Why:    "it destroys infrastructure",
			Hits:   []Example{{"x.sh", "terraform -chdir=prod destroy"}, {"x.sh", "pulumi destroy --yes"}, {"x.sh", "terraform apply -destroy"}},
			Misses: []Example{{"x.sh", "terraform plan"}, {"x.sh", "echo terraform destroy"}, {"x.sh", "terraform fmt"}},
		},
		{
			ID: "terraform-auto-approve", Name: Infrastructure, Reads: LangShell, Match: []string{"terraform|tofu|terragrunt ... apply|apply-all|run-all ... -auto-approve|--auto-approve|--terragrunt-non-interactive", "terraform|tofu ... state rm", "pulumi up ... --yes|-y"},
			Why:    "it changes or forgets infrastructure without anybody looking at the plan",
			Hits:   []Example{{"x.sh", "terraform apply -input=false -auto-approve"}, {".github/workflows/d.yml", "jobs:\n  d:\n    steps:\n    - run: terraform apply -auto-approve\n"}},
			Misses: []Example{{"x.sh", "terraform apply plan.out"}},
		},
		{
			ID: "kubectl-delete", Name: Infrastructure, Reads: LangShell, Match: []string{"kubectl|oc|k3s|microk8s ... delete"}, Check: lastingKind,
			Why:    "it deletes objects of a cluster that do not come back by themselves, or all of a kind",
			Hits:   []Example{{"x.sh", "kubectl -n shop delete namespace shop"}, {"x.sh", "kubectl delete pods --all"}, {"x.sh", "kubectl delete pvc/data"}},
			Misses: []Example{{"x.sh", "kubectl delete pod web-1"}, {"x.sh", "kubectl get ns"}, {"x.sh", "kubectl delete ns x --dry-run=client"}},
		},
		{
			ID: "helm-uninstall", Name: Infrastructure, Reads: LangShell, Match: []string{"helm ... uninstall|delete|del _", "flux|argocd ... uninstall|delete _"},
			Why:    "it removes a release with what it made",
			Hits:   []Example{{"x.sh", "helm uninstall shop"}},
			Misses: []Example{{"x.sh", "helm upgrade shop ./chart"}},
		},
		{
			ID: "cloud-delete", Name: Infrastructure, Reads: LangShell,
			Match: []string{"aws ... delete-*|terminate-*|deregister-*|purge-*|batch-delete-* ...", "aws ... s3 rb ... --force", "aws ... s3 rm ... --recursive", "aws ... s3 sync ... --delete",
				"gcloud ... delete|destroy", "gsutil ... rm|rb ... -r|-R", "gcloud ... storage rm ... -r|--recursive", "az ... delete|purge|delete-batch", "doctl|hcloud|linode-cli|oci|ibmcloud|openstack|scw|fly|flyctl|heroku ... delete|destroy|rm|apps:destroy|pg:reset"},
			Unless: []string{"... --help", "... help", "... --dryrun|--dry-run"},
			Why:    "it deletes what a cloud account holds",
			Hits:   []Example{{"x.sh", "aws rds delete-db-instance --db-instance-identifier x --skip-final-snapshot"}, {"x.sh", "aws s3 rb s3://x --force"}, {"x.sh", "gcloud sql instances delete x -q"}, {"x.sh", "az group delete -n x -y"}},
			Misses: []Example{{"x.sh", "aws s3 cp a s3://x"}, {"x.sh", "gcloud sql instances list"}, {"x.sh", "az group show -n x"}, {"x.sh", "aws s3 rm s3://x/y"}},
		},
		{
			ID: "docker-volumes", Name: Infrastructure, Reads: LangShell,
			Match:  []string{"docker|podman ... volume rm|prune", "docker|podman ... system prune ... --volumes", "docker|docker-compose|podman-compose ... down ... -v|--volumes"},
			Why:    "it removes volumes with the data in them",
			Hits:   []Example{{"x.sh", "docker compose down -v"}, {"x.sh", "docker volume rm db"}, {"x.sh", "docker system prune -af --volumes"}},
			Misses: []Example{{"x.sh", "docker compose down"}, {"x.sh", "docker run -v x:/y z"}, {"x.sh", "docker system prune -f"}},
		},
		{
			ID: "download-and-run", Name: RemoteCode, Reads: LangShell, Match: []string{"curl|wget|fetch"}, Check: runsDownload,
			Why:    "it runs what a server gives it at that moment, which nobody has reviewed",
			Hits:   []Example{{"x.sh", "curl -fsSL https://x.example/i.sh | sudo -E bash -"}, {"Dockerfile", "RUN wget -qO- https://x.example | sh"}, {"x.sh", "curl x | tee log | python3 -"}},
			Misses: []Example{{"x.sh", "curl -o f https://x.example"}, {"x.sh", "curl x | jq .name"}, {"x.sh", "curl x | tar xz"}, {"x.sh", "curl x || sh y"}},
		},
		{
			ID: "download-substituted", Name: RemoteCode, Reads: LangShell, Match: []string{"sh|bash|zsh|source|.|eval|python|python3 ... $(curl*|<(curl*"},
			Why:    "it runs what a server gives it at that moment, which nobody has reviewed",
			Hits:   []Example{{"x.sh", `bash -c "$(curl -fsSL https://x.example)"`}, {"x.sh", "source <(curl -s x)"}},
			Misses: []Example{{"x.sh", `echo "$(curl -s x)"`}, {"x.sh", "bash -c \"$(cat x)\""}},
		},
		{
			ID: "container-privileged", Name: Workload, Reads: LangShell, Match: []string{"docker|podman|nerdctl ... run|create ... --privileged|--privileged=true|--pid=host", "docker|podman ... run|create ... -v|--volume /:*|/etc:*", "docker|podman ... run|create ... --volume=/:*|-v/:*"},
			Why:    "it starts a container that can do everything on its machine",
			Hits:   []Example{{"x.sh", "docker run --rm --privileged x"}, {"x.sh", "docker run -v /:/host x"}},
			Misses: []Example{{"x.sh", "docker run -v $PWD:/x y"}, {"x.sh", "docker build ."}},
		},
		{
			ID: "grant-cluster-admin", Name: Workload, Reads: LangShell, Match: []string{"kubectl|oc ... create clusterrolebinding ... --clusterrole=cluster-admin", "kubectl|oc ... create clusterrolebinding ... --clusterrole cluster-admin", "oc adm policy add-cluster-role-to-user cluster-admin"},
			Why:    "it gives an account everything in a cluster",
			Hits:   []Example{{"x.sh", "kubectl create clusterrolebinding x --clusterrole=cluster-admin --user=y"}},
			Misses: []Example{{"x.sh", "kubectl create clusterrolebinding x --clusterrole=view --user=y"}},
		},
	}
}
