package risk

import "strings"

// stateful are the resources of Terraform that hold data.
var stateful = []string{
	"db_instance", "rds_cluster", "_sql_", "_database", "s3_bucket", "storage_bucket", "storage_account", "dynamodb_table", "efs_file_system", "ebs_volume",
	"redshift", "elasticsearch_domain", "opensearch_domain", "_disk", "cosmosdb", "bigtable", "bigquery_dataset", "spanner", "kms_key", "key_vault", "docdb",
	"neptune", "elasticache", "filestore", "_volume", "secretsmanager_secret", "backup_vault", "ecr_repository", "postgresql_", "mysql_", "persistent_volume", "eks_cluster", "kubernetes_cluster", "container_cluster",
}

func holdsData(u *unit, _ span) bool {
	kind := u.words[1].text
	for _, s := range stateful {
		if strings.Contains(kind, s) {
			return true
		}
	}
	return false
}

// inKubernetes says that a setting stands in an object of Kubernetes or in a
// service of Compose.
func inKubernetes(u *unit, _ span) bool {
	kind, _, _ := strings.Cut(u.scope, "/")
	return kind != "" || strings.HasPrefix(u.scope, "/services/")
}

func inScope(part string) func(*unit, span) bool {
	return func(u *unit, at span) bool { return strings.Contains(u.scope, part) && inKubernetes(u, at) }
}

const (
	protections = "prevent_destroy|deletion_protection|enable_deletion_protection|deletion_protection_enabled|disable_api_termination|delete_protection|termination_protection|deletion_lock|enable_termination_protection|purge_protection_enabled"
	forcings    = "force_destroy|skip_final_snapshot|force_delete|delete_automated_backups|purge_soft_delete_on_destroy|force_destroy_pods|delete_on_destroy|allow_major_version_upgrade_and_destroy"
)

func settingRules() []Rule {
	return []Rule{
		{
			ID: "tf-protection-off", Name: Protection, Reads: LangHCL, Match: []string{protections + " = false"},
			Why:    "it lets a resource be destroyed that could not be, or that would not be protected",
			Hits:   []Example{{"main.tf", "resource \"a\" \"b\" {\n  lifecycle {\n    prevent_destroy = false\n  }\n}"}, {"main.tf", "deletion_protection=false # x"}, {"x.tfvars", "deletion_protection = false"}},
			Misses: []Example{{"main.tf", "# prevent_destroy = false"}, {"main.tf", "prevent_destroy = true"}, {"main.tf", `x = "prevent_destroy = false"`}, {"main.tf", "deletion_protection = var.protect"}},
		},
		{
			ID: "tf-force-destroy", Name: Protection, Reads: LangHCL, Match: []string{forcings + " = true", "backup_retention_period = 0"},
			Why:    "what holds data is destroyed with it, or without a last copy",
			Hits:   []Example{{"main.tf", "force_destroy = true"}, {"main.tf", "  skip_final_snapshot = true"}, {"main.tf", "backup_retention_period = 0"}},
			Misses: []Example{{"main.tf", "force_destroy = false"}, {"main.tf", "/* skip_final_snapshot = true */"}},
		},
		{
			ID: "tf-protection-removed", Name: Protection, Reads: LangHCL, Match: []string{protections + " = true"}, Guard: true,
			Why:    "a protection against being destroyed is taken away",
			Hits:   []Example{{"main.tf", "resource \"a\" \"b\" {\n lifecycle {\n  prevent_destroy = true\n }\n}"}},
			Misses: []Example{{"main.tf", "prevent_destroy = false"}},
		},
		{
			ID: "tf-resource-removed", Name: Infrastructure, Reads: LangHCL, Match: []string{"resource _ _ {"}, Check: holdsData, Guard: true,
			Why:    "a resource that holds data is taken out: the next apply destroys it",
			Hits:   []Example{{"main.tf", `resource "aws_db_instance" "main" {` + "\n}"}},
			Misses: []Example{{"main.tf", `resource "aws_iam_role" "x" {` + "\n}"}, {"main.tf", `# resource "aws_db_instance" "main" {`}},
		},
		{
			ID: "cfn-deletion-policy", Name: Protection, Reads: LangYAML, Match: []string{"DeletionPolicy|UpdateReplacePolicy : Delete", "DeletionProtection|DeletionProtectionEnabled|deletionProtection : false", "persistentVolumeReclaimPolicy|reclaimPolicy : Delete"},
			Why:    "what holds data is destroyed with its stack or its claim",
			Hits:   []Example{{"stack.yaml", "Resources:\n  Db:\n    DeletionPolicy: Delete"}, {"pv.yaml", "kind: PersistentVolume\nspec:\n  persistentVolumeReclaimPolicy: Delete"}},
			Misses: []Example{{"stack.yaml", "Resources:\n  Db:\n    DeletionPolicy: Retain"}, {"stack.yaml", "# DeletionPolicy: Delete"}},
		},
		{
			ID: "cfn-protection-removed", Name: Protection, Reads: LangYAML, Match: []string{"DeletionPolicy|UpdateReplacePolicy : Retain|Snapshot", "DeletionProtection|DeletionProtectionEnabled|deletionProtection : true", "persistentVolumeReclaimPolicy|reclaimPolicy : Retain"}, Guard: true,
			Why:    "a protection against being destroyed is taken away",
			Hits:   []Example{{"stack.yaml", "Resources:\n  Db:\n    DeletionPolicy: Retain"}},
			Misses: []Example{{"stack.yaml", "Resources:\n  Db:\n    DeletionPolicy: Delete"}},
		},
		{
			ID: "k8s-privileged", Name: Workload, Reads: LangYAML, Match: []string{"privileged|hostNetwork|hostPID|hostIPC|allowPrivilegeEscalation : true"}, Check: inKubernetes,
			Why:    "a workload gets power over its machine",
			Hits:   []Example{{"pod.yaml", "kind: Pod\nspec:\n  containers:\n  - name: x\n    securityContext:\n      privileged: true"}, {"compose.yml", "services:\n  a:\n    privileged: true"}},
			Misses: []Example{{"pod.yaml", "kind: Pod\nspec:\n  securityContext:\n    privileged: false"}, {"values.yaml", "x:\n  privileged: true"}, {"pod.yaml", "kind: Pod\ntext: |\n  privileged: true"}},
		},
		{
			ID: "k8s-host-path", Name: Workload, Reads: LangYAML, Match: []string{"path : /|/etc|/root|/var|/var/run|/run|/var/run/docker.sock|/run/containerd/containerd.sock|/var/lib|/var/lib/kubelet|/proc|/sys|/home"}, Check: inScope("hostPath"),
			Why:    "a workload gets a directory of its machine that gives power over it",
			Hits:   []Example{{"pod.yaml", "kind: Pod\nspec:\n  volumes:\n  - name: x\n    hostPath:\n      path: /"}},
			Misses: []Example{{"pod.yaml", "kind: Pod\nspec:\n  volumes:\n  - name: x\n    hostPath:\n      path: /data/x"}, {"pod.yaml", "kind: Pod\nspec:\n  httpGet:\n    path: /"}},
		},
		{
			ID: "compose-host-path", Name: Workload, Reads: LangYAML, Match: []string{"volumes : /:*|/etc:*|/root:*|/var/run/docker.sock:*|/run/docker.sock:*"},
			Check:  func(u *unit, _ span) bool { return strings.HasPrefix(u.scope, "/services/") },
			Why:    "a service gets a directory or the engine of its machine, which gives power over it",
			Hits:   []Example{{"compose.yml", "services:\n  a:\n    volumes:\n      - /:/host"}},
			Misses: []Example{{"compose.yml", "services:\n  a:\n    volumes:\n      - ./data:/data"}},
		},
		{
			ID: "k8s-cluster-admin", Name: Workload, Reads: LangYAML, Match: []string{"name : cluster-admin"}, Check: inScope("roleRef"),
			Why:    "an account gets everything in a cluster",
			Hits:   []Example{{"rb.yaml", "kind: ClusterRoleBinding\nroleRef:\n  kind: ClusterRole\n  name: cluster-admin"}},
			Misses: []Example{{"rb.yaml", "kind: ClusterRoleBinding\nroleRef:\n  kind: ClusterRole\n  name: view"}, {"rb.yaml", "kind: ClusterRole\nmetadata:\n  name: cluster-admin"}},
		},
	}
}
