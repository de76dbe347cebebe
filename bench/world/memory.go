package world

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// PeakMemory is the most memory that the server has ever had in RAM, in MiB.
func (w *World) PeakMemory() float64 { return w.memory("status", "VmHWM") }

// Memory is what the server has in RAM now, in MiB: all of it, and the part that is charged to it alone where pages are
// shared with other processes.
func (w *World) Memory() (resident, proportional float64) {
	return w.memory("status", "VmRSS"), w.memory("smaps_rollup", "Pss")
}

func (w *World) memory(file, key string) float64 {
	w.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", w.PID(), file))
	if err != nil {
		w.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); name == key {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				w.b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	w.b.Fatalf("/proc says no %s", key)
	return 0
}

// Processor is how many seconds of processor time the server has taken.
func (w *World) Processor() float64 {
	w.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.PID()))
	if err != nil {
		w.b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the program's name
	fields := strings.Fields(rest)
	ticks := 0.0
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			w.b.Fatal(err)
		}
		ticks += float64(n)
	}
	return ticks / 100
}
