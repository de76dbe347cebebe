package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	engine "github.com/moby/profiles/seccomp"
)

// verdicts are what a profile says about each system call, in words, for a process without capabilities on x86-64
// or AArch64.
type verdicts map[string][]string

func (v verdicts) add(names []string, verdict string) {
	for _, name := range names {
		if !slices.Contains(v[name], verdict) {
			v[name] = append(v[name], verdict)
			slices.Sort(v[name])
		}
	}
}

func (v verdicts) of(name string) string {
	switch {
	case len(v[name]) == 0:
		return "no"
	case slices.Contains(v[name], "yes"):
		return "yes"
	}
	return strings.Join(v[name], "; ")
}

// engineVerdicts reads the engine's own default profile. A rule for a capability only is left out and remembered.
func engineVerdicts() (plain, capable verdicts) {
	plain, capable = verdicts{}, verdicts{}
	for _, rule := range engine.DefaultProfile().Syscalls {
		if in := rule.Includes; in != nil && len(in.Arches) > 0 && !slices.ContainsFunc(in.Arches, ours) {
			continue
		}
		// The s390x twin of a rule on arguments says which architectures the other is not for.
		if out := rule.Excludes; out != nil && slices.ContainsFunc(out.Arches, ours) {
			continue
		}
		into := plain
		if in := rule.Includes; in != nil && len(in.Caps) > 0 {
			into = capable
		}
		var conditions []string
		for _, a := range rule.Args {
			conditions = append(conditions, condition(a.Index, string(a.Op), a.Value, a.ValueTwo))
		}
		into.add(rule.Names, verdict(string(rule.Action), rule.ErrnoRet, conditions))
	}
	return plain, capable
}

func ours(arch string) bool { return arch == "amd64" || arch == "arm64" }

func ourVerdicts(t *testing.T) verdicts {
	t.Helper()
	text, err := seccompProfile()
	if err != nil {
		t.Fatal(err)
	}
	var document seccompDocument
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	plain := verdicts{}
	for _, rule := range document.Syscalls {
		var conditions []string
		for _, a := range rule.Args {
			conditions = append(conditions, condition(a.Index, a.Op, a.Value, a.ValueTwo))
		}
		plain.add(rule.Names, verdict(rule.Action, rule.ErrnoRet, conditions))
	}
	return plain
}

func verdict(action string, errno *uint, conditions []string) string {
	said := "yes"
	if action != actAllow {
		said = "error"
		if errno != nil {
			said = fmt.Sprintf("error %d", *errno)
		}
	}
	if len(conditions) > 0 {
		said += " if " + strings.Join(conditions, " and ")
	}
	return said
}

func condition(index uint, op string, value, two uint64) string {
	switch op {
	case "SCMP_CMP_EQ":
		return fmt.Sprintf("arg %d is %#x", index, value)
	case "SCMP_CMP_LT":
		return fmt.Sprintf("arg %d is below %#x", index, value)
	case "SCMP_CMP_NE":
		return fmt.Sprintf("arg %d is not %#x", index, value)
	case "SCMP_CMP_MASKED_EQ":
		return fmt.Sprintf("arg %d & %#x is %#x", index, value, two)
	}
	return fmt.Sprintf("arg %d %s %#x", index, op, value)
}

// reasons say why system calls that the engine's default allows are not allowed here, or otherwise. The first that
// matches a name counts; each name of the difference needs one, and each reason a name.
var reasons = []struct {
	names *regexp.Regexp
	why   string
}{
	{regexp.MustCompile(`(32|64|_time64)$|^(_llseek|_newselect|ipc|mmap2|recv|send|sigprocmask|sigreturn|socketcall|ugetrlimit|waitpid)$`),
		"exist on 32-bit machines only, whose system calls kill their caller here"},
	{regexp.MustCompile(`^(arm_.*|breakpoint|cacheflush|riscv_hwprobe|set_tls|sync_file_range2)$`),
		"exist on machines that are not served only"},
	{regexp.MustCompile(`^socket$`),
		"no AF_VSOCK (a door to the hypervisor), AF_ALG, AF_PACKET, no ping sockets, no netlink but ROUTE"},
	{regexp.MustCompile(`^socketpair$`), "other families than AF_UNIX have had holes (TIPC) and nobody pairs them"},
	{regexp.MustCompile(`^personality$`), "also ADDR_NO_RANDOMIZE, for debuggers"},
	{regexp.MustCompile(`^(listmount|statmount)$`), "new ways to read the mount table; with ENOSYS programs read /proc"},
	{regexp.MustCompile(`^(adjtimex|clock_adjtime)$`), "the clock is the host's, and reading its state helps to attack it"},
	{regexp.MustCompile(`^(fanotify_mark|name_to_handle_at)$`), "useless without the calls that need a capability"},
	{regexp.MustCompile(`^memfd_secret$`), "memory that the kernel cannot look into or move"},
	{regexp.MustCompile(`^modify_ldt$`), "16-bit segments, which only emulators of old Windows want"},
	{regexp.MustCompile(`^remap_file_pages$`), "obsolete; mmap does the same"},
}

func reasonFor(t *testing.T, name string, used map[int]bool) string {
	t.Helper()
	for i, r := range reasons {
		if r.names.MatchString(name) {
			used[i] = true
			return r.why
		}
	}
	t.Errorf("%s differs from the engine's default and has no reason", name)
	return ""
}

// difference renders what SECCOMP.md says between its marks.
func difference(t *testing.T) string {
	t.Helper()
	plain, capable := engineVerdicts()
	own := ourVerdicts(t)
	names := map[string]bool{}
	for _, list := range []verdicts{plain, capable, own} {
		for name := range list {
			names[name] = true
		}
	}
	used := map[int]bool{}
	shut := map[string][]string{} // by reason
	var otherwise, capableOnly []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		theirs, mine := plain.of(name), own.of(name)
		switch {
		case theirs == mine && mine == "no" && capable.of(name) != "no":
			capableOnly = append(capableOnly, "`"+name+"`")
		case theirs == mine:
		case theirs == "yes" && mine == "no":
			why := reasonFor(t, name, used)
			shut[why] = append(shut[why], "`"+name+"`")
		default:
			otherwise = append(otherwise, fmt.Sprintf("| `%s` | %s | %s | %s |", name, theirs, mine, reasonFor(t, name, used)))
		}
	}
	for i, r := range reasons {
		if !used[i] {
			t.Errorf("nothing differs for the reason %q any more", r.why)
		}
	}
	var out strings.Builder
	out.WriteString("Allowed by the engine's default, not by CoderFlow:\n\n| system calls | why |\n| --- | --- |\n")
	for _, why := range slices.Sorted(maps.Keys(shut)) {
		fmt.Fprintf(&out, "| %s | %s |\n", strings.Join(shut[why], ", "), why)
	}
	out.WriteString("\nUnder other conditions (\"arg 0\" is the first argument; error 38 is ENOSYS):\n\n")
	out.WriteString("| system call | engine's default | CoderFlow | why |\n| --- | --- | --- | --- |\n" + strings.Join(otherwise, "\n") + "\n")
	out.WriteString("\nAllowed by the engine's default to holders of a capability, which nobody in a container is; here to nobody:\n\n" +
		strings.Join(capableOnly, ", ") + "\n\n")
	fmt.Fprintf(&out, "Sub-architectures: the engine's default lets in %s; CoderFlow none.\n", subArchitectures())
	return out.String()
}

func subArchitectures() string {
	var list []string
	for _, arch := range engine.DefaultProfile().ArchMap {
		if arch.Arch == "SCMP_ARCH_X86_64" || arch.Arch == "SCMP_ARCH_AARCH64" {
			for _, sub := range arch.SubArches {
				list = append(list, "`"+string(sub)+"`")
			}
		}
	}
	return strings.Join(list, ", ")
}

func TestTheProfileDiffersFromTheEnginesDefaultExactlyAsDocumented(t *testing.T) {
	t.Parallel()
	const file, begin, end = "SECCOMP.md", "<!-- difference -->\n", "<!-- end of difference -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	documented, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no marks %q and %q", file, begin, end)
	}
	want := "\n" + difference(t) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if documented != want {
		t.Errorf("%s does not list the difference; run go test -run TheProfileDiffers -update and read it. It is:\n%s", file, want)
	}
}

// The comparison itself: it must not call profiles equal that are not.
func TestADifferenceIsSeen(t *testing.T) {
	t.Parallel()
	own := verdicts{}
	own.add([]string{"a", "b"}, "yes")
	own.add([]string{"b"}, "yes if arg 0 is 0x1")
	own.add([]string{"c"}, "yes if arg 0 is 0x1")
	for name, want := range map[string]string{"a": "yes", "b": "yes", "c": "yes if arg 0 is 0x1", "d": "no"} {
		if got := own.of(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	plain, capable := engineVerdicts()
	if plain.of("read") != "yes" || plain.of("bpf") != "no" || capable.of("bpf") != "yes" || plain.of("clone3") != "error 38" {
		t.Errorf("the engine's default reads as read %s, bpf %s and %s, clone3 %s", plain.of("read"), plain.of("bpf"), capable.of("bpf"), plain.of("clone3"))
	}
}
