package risk

import (
	"path"
	"strings"
)

// system are the directories whose loss ends a machine or its data.
var system = map[string]bool{
	"": true, "bin": true, "boot": true, "dev": true, "etc": true, "home": true, "lib": true, "lib64": true, "opt": true, "proc": true, "root": true,
	"sbin": true, "srv": true, "sys": true, "usr": true, "var": true, "mnt": true, "media": true, "Users": true, "data": true, "Library": true, "System": true,
	"var/lib": true, "usr/lib": true, "usr/bin": true, "usr/share": true, "usr/local": true, "var/lib/postgresql": true, "var/lib/mysql": true, "var/lib/docker": true,
	"var/backups": true, "var/www": true, "etc/ssl": true, "backup": true, "backups": true,
}

// precious are those of which nobody removes a part by a name that can be empty.
var precious = map[string]bool{"": true, "home": true, "Users": true, "etc": true, "usr": true, "var": true, "var/lib/postgresql": true, "var/lib/mysql": true}

// removesWidely says that a recursive removal has a target that is a root, a home,
// everything here, or what becomes one of these when a variable is empty.
func removesWidely(u *unit, _ span) bool {
	recursive, options, wide := false, true, false
	for _, w := range u.words[1:] {
		switch {
		case w.quoted && w.text == ">", w.quoted && w.text == "<<":
			return recursive && wide
		case options && w.text == "--":
			options = false
		case options && strings.HasPrefix(w.text, "--"):
			recursive = recursive || w.text == "--recursive" || w.text == "--no-preserve-root"
		case options && strings.HasPrefix(w.text, "-"):
			recursive = recursive || strings.ContainsAny(w.text, "rR")
		default: // options can stand behind
			wide = wide || wideTarget(w.text, u.vars)
		}
	}
	return recursive && wide
}

// wideTarget judges one path of a command that goes through everything below it.
func wideTarget(target string, vars variables) bool {
	target = vars.resolve(target)
	if begin, list, some := strings.Cut(target, "{"); some && strings.Contains(list, ",") {
		list, end, _ := strings.Cut(list, "}")
		for part := range strings.SplitSeq(list, ",") {
			if part = begin + part + end; !strings.Contains(part, "{") && wideTarget(part, vars) {
				return true
			}
		}
	}
	switch target {
	case "", "/", "/*", "/.", "~", "~/", "~/*", "$HOME", "$HOME/", "$HOME/*", "*", ".", "..", "./", "../", "./*", "../*", "/..", ".*", "$PWD", "$PWD/*", "$@", "$*":
		return target != ""
	}
	trimmed := strings.TrimSuffix(strings.TrimSuffix(target, "*"), "/")
	if rooted, is := strings.CutPrefix(trimmed, "/"); is {
		if before, after, expands := strings.Cut(rooted, "$"); expands { // /home/$USER is /home without a user
			last := strings.Trim(after, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == ""
			return last && precious[strings.TrimSuffix(before, "/")]
		}
		return system[rooted] || system[path.Clean(rooted)]
	}
	return emptied(target, trimmed)
}

// emptied judges a path that begins with a variable: "$DIR/*" is "/*" if DIR is
// empty, "$DIR/lib" is "/lib". "$DIR" alone is nothing then.
func emptied(target, trimmed string) bool {
	if !strings.HasPrefix(target, "$") || strings.HasPrefix(target, "$()") {
		return false
	}
	n := 1
	for n < len(target) && isWordByte(target[n]) && target[n] != '$' {
		n++
	}
	rest := target[n:]
	if n == 1 || isKnownPlace(target[1:n]) || !strings.HasPrefix(rest, "/") {
		return false // "${VAR:?}…" among them
	}
	if strings.HasPrefix(rest, "/$") {
		return false
	}
	rest = strings.TrimPrefix(trimmed, target[:n])
	rest = strings.Trim(rest, "/*")
	return system[rest] && rest != "data" && rest != "dev" && rest != "bin" && rest != "lib" && rest != "lib64" && rest != "boot" && rest != "backup" && rest != "backups"
}

// isKnownPlace names variables that a system sets, or that hold what is made anew.
func isKnownPlace(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"tmp", "temp", "cache", "build", "dist", "work", "out", "stage", "staging", "gen", "scratch", "test"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// hasDevice says that a command writes to a device that holds data.
func hasDevice(u *unit, _ span) bool {
	for i, w := range u.words[1:] {
		device, is := strings.CutPrefix(w.text, "of=/dev/")
		if !is && (u.words[0].text != "dd" || u.words[i].text == ">") {
			device, is = strings.CutPrefix(w.text, "/dev/")
		}
		if is && isDisk(device) {
			return true
		}
	}
	return false
}

func isDisk(device string) bool {
	for _, prefix := range []string{"sd", "hd", "vd", "xvd", "nvme", "mmcblk", "mapper/", "disk", "md", "dm-", "rdisk", "$"} {
		if strings.HasPrefix(device, prefix) {
			return true
		}
	}
	return false
}

// runsDownload says that what a download prints is run.
func runsDownload(u *unit, _ span) bool {
	for name := range strings.FieldsSeq(u.pipe) {
		if shells[name] || name == "python" || name == "python3" || name == "perl" || name == "ruby" || name == "node" || name == "php" {
			return true
		}
		switch name {
		case "tee", "gunzip", "zcat", "base64", "cat", "sed", "tr", "grep":
		default:
			return false
		}
	}
	return false
}

// hasFlag says that one of the flags is among the words, alone or in a cluster of
// short ones.
func hasFlag(short string, long ...string) func(*unit, span) bool {
	return func(u *unit, at span) bool {
		for _, w := range u.words[at.from:] {
			for _, l := range long {
				if w.text == l || strings.HasPrefix(w.text, l+"=") {
					return true
				}
			}
			if len(w.text) > 1 && w.text[0] == '-' && w.text[1] != '-' && strings.ContainsAny(w.text, short) {
				return true
			}
		}
		return false
	}
}

// forcesPush tells a forced push from one with a lease, which destroys nothing that
// was not seen.
func forcesPush(u *unit, at span) bool {
	for _, w := range u.text(span{at.to, len(u.words)}) {
		switch {
		case w.text == "--force" || w.text == "--mirror" || w.text == "--delete" || w.text == "-d":
			return true
		case len(w.text) > 1 && w.text[0] == '-' && w.text[1] != '-' && strings.Contains(w.text, "f"):
			return true
		case strings.HasPrefix(w.text, "+") && len(w.text) > 1:
			return true
		}
	}
	return false
}

// lastingKind says that kubectl deletes something that does not come back by
// itself, or everything of a kind.
func lastingKind(u *unit, at span) bool {
	for _, w := range u.text(span{at.to, len(u.words)}) {
		switch {
		case w.text == "--all" || w.text == "-A" || w.text == "--all-namespaces":
			return true
		case strings.HasPrefix(w.text, "--dry-run") && w.text != "--dry-run=none":
			return false
		}
	}
	for _, w := range u.text(span{at.to, len(u.words)}) {
		kind, _, _ := strings.Cut(w.text, "/")
		switch strings.TrimSuffix(kind, "s") {
		case "n", "namespace", "pv", "persistentvolume", "pvc", "persistentvolumeclaim", "crd", "customresourcedefinition", "statefulset", "st",
			"deployment", "deploy", "daemonset", "node", "no", "secret", "clusterrole", "clusterrolebinding", "storageclass", "volumesnapshot":
			return true
		}
	}
	return false
}

// withoutMode drops the first argument that is no option: the mode or the owner.
func withoutMode(words []word) []word {
	for i, w := range words[1:] {
		if w.text == "" || w.text[0] != '-' {
			rest := append([]word{words[0]}, words[1:i+1]...)
			for _, target := range words[i+2:] {
				if target.text != "." && target.text != "./" && target.text != "*" {
					rest = append(rest, target)
				}
			}
			return rest
		}
	}
	return words
}

// destroysVolume tells the acts that destroy from those that only look.
func destroysVolume(u *unit, _ span) bool {
	name := u.words[0].text
	switch name {
	case "zpool":
		return len(u.words) > 1 && (u.words[1].text == "destroy" || u.words[1].text == "labelclear")
	case "mdadm":
		return hasFlag("", "--zero-superblock")(u, span{0, 1})
	case "lvremove", "vgremove", "pvremove":
		return len(u.words) > 1
	}
	for _, w := range u.words[1:] {
		if device, is := cutDevice(w.text); is && isDisk(device) {
			return true
		}
	}
	return false
}

func cutDevice(text string) (string, bool) { return strings.CutPrefix(text, "/dev/") }

// notIn says that the matched command is none of these, and that none of these is
// among its arguments.
func notIn(names ...string) func(*unit, span) bool {
	return func(u *unit, _ span) bool {
		for _, w := range u.words {
			for _, name := range names {
				if w.text == name || w.text == "--"+name {
					return false
				}
			}
		}
		return true
	}
}
