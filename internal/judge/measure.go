package judge

import "time"

// Measured is how well a judge found defects that were put into copies of past changes, and
// how often it raised an alarm about copies that were left as they were.
type Measured struct {
	Environment string    `json:"environment"`
	Judge       string    `json:"judge"`
	Definition  string    `json:"definition"` // of the judge: another one is another judge
	At          time.Time `json:"at"`
	Seeded      int       `json:"seeded"` // copies with a defect that were answered
	Found       int       `json:"found"`  // of them
	Clean       int       `json:"clean"`  // copies without one that were answered
	Alarms      int       `json:"alarms"` // of them
	Broken      int       `json:"broken"` // copies without a valid verdict
	// ByCategory is by the kind of defect.
	ByCategory map[string]Tally `json:"byCategory,omitempty"`
}

// Copies is how many it was asked about.
func (m Measured) Copies() int { return m.Seeded + m.Clean + m.Broken }

// Tally counts one kind of defect.
type Tally struct {
	Seeded int `json:"seeded"`
	Found  int `json:"found"`
}
