package main

import "testing"

// Copies of past changes are forgotten after a calibration: a transcript would stay for good.
func TestACalibrationLeavesNoTranscript(t *testing.T) {
	t.Parallel()
	if err := (journal{}).Transcript(t.Context(), calibrateSession+"aaaaaaaaaaaa/bbbbbbbbbbbb", []byte("{}")); err != nil {
		t.Error(err)
	}
}
