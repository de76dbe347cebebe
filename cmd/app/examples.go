package main

// Examples of the commands of the server's machine; a test parses each.

// Help implements kong.HelpProvider.
func (demoCmd) Help() string {
	return `Examples:

  coderflow demo
  coderflow demo --story incident --exit
  coderflow demo --forge azuredevops`
}

// Help implements kong.HelpProvider.
func (forgeCmd) Help() string {
	return `Example:

  coderflow forge --json --webhook http://127.0.0.1:8080/webhooks/github
  coderflow forge --kind azuredevops --json`
}

// Help implements kong.HelpProvider.
func (initGitHubCmd) Help() string {
	return `Example:

  coderflow init github --public-url https://coderflow.example.com --organization acme`
}

// Help implements kong.HelpProvider.
func (imagesBuildCmd) Help() string {
	return `Examples:

  coderflow images build
  coderflow images build claude codex`
}

// Help implements kong.HelpProvider.
func (imagesLsCmd) Help() string {
	return `Example:

  coderflow images ls -o json`
}

// Help implements kong.HelpProvider.
func (doctorCmd) Help() string {
	return `Example:

  coderflow doctor -c /etc/coderflow/coderflow.yaml`
}

// Help implements kong.HelpProvider.
func (migrateCmd) Help() string {
	return `Example:

  coderflow migrate -c /etc/coderflow/coderflow.yaml`
}

// Help implements kong.HelpProvider.
func (sandboxLsCmd) Help() string {
	return `Example:

  coderflow sandbox ls -o json`
}

// Help implements kong.HelpProvider.
func (sandboxInspectCmd) Help() string {
	return `Example:

  coderflow sandbox inspect zzp6hr35kqtq`
}

// Help implements kong.HelpProvider.
func (sandboxExportCmd) Help() string {
	return `Example:

  coderflow sandbox export zzp6hr35kqtq -o workspace.tar`
}

// Help implements kong.HelpProvider.
func (sandboxShellCmd) Help() string {
	return `Examples:

  coderflow sandbox shell zzp6hr35kqtq
  coderflow sandbox shell zzp6hr35kqtq ls -l`
}

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return `Examples:

  coderflow version
  coderflow version -o json   (with commit, date, Go, platform and the schema of the database)`
}
