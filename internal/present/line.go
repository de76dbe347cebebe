package present

import (
	"fmt"

	"github.com/coderflow/coderflow/internal/task"
)

// inLine says where a task stands that waits for a place. Far from the front it is said
// roughly, so that a comment is not edited each time that another task begins.
func inLine(in task.InLine) string {
	text := "It is next in line."
	switch before := in.Place - 1; {
	case before == 1:
		text = "One task is before it in line."
	case before > 1 && before <= 5:
		text = fmt.Sprintf("%d tasks are before it in line.", before)
	case before > 5:
		text = fmt.Sprintf("About %d tasks are before it in line.", roughly(before))
	}
	if in.Why != "" {
		text += " What it waits for: " + Plain(in.Why).markdown + "."
	}
	return text
}

// roughly is a number with one digit that counts: 7 is 10, 34 is 30, 180 is 200.
func roughly(n int) int {
	unit := 10
	for n >= 10*unit {
		unit *= 10
	}
	return max((n+unit/2)/unit*unit, unit)
}
