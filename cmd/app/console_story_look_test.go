package main

import (
	"fmt"
	"slices"
	"strings"
)

// parts: what a check and a judge wrote, and one file of the change, on their own pages.
func (s *browserStory) parts() {
	task := "/tasks/" + string(s.task.ID)
	for name, says := range map[string]string{"tests": "Check tests", "careful": "Judge careful"} {
		exams := s.examined(s.task.ID, name)
		if len(exams) == 0 {
			s.t.Fatalf("nothing named %s examined the task", name)
		}
		s.tom.open(s.console(task + "/examinations/" + exams[len(exams)-1].ID))
		s.tom.says(says)
		s.tom.accessible("examination-" + name)
	}
	for number := 1; number <= 2; number++ { // CHANGES.md and receipt.awk
		s.tom.open(s.console(fmt.Sprintf("%s/changes/%d", task, number)))
		s.tom.says("All files")
		s.tom.accessible(fmt.Sprintf("file-%d", number))
	}
	s.tom.says("total += $2 * $3")
}

// look: the other pages, for each as far as they may.
func (s *browserStory) look() {
	for _, page := range []string{"/environments", "/environments/staging", "/access", "/audit", "/tasks/" + string(s.task.ID) + "/chain"} {
		s.tom.open(s.console(page))
		s.tom.accessible(strings.ReplaceAll(strings.TrimPrefix(strings.Replace(page, string(s.task.ID), "id", 1), "/"), "/", "-"))
	}
	s.tom.says(maria, tom, "staging/publish")
	s.tom.open(s.console("/audit"))
	var actions []string
	s.tom.eval(`[...document.querySelectorAll("table.log tbody tr")].map(row => row.cells[3].innerText)`, &actions)
	for _, want := range []string{"approval.recorded", "deployment."} {
		if !slices.ContainsFunc(actions, func(action string) bool { return strings.HasPrefix(action, want) }) {
			s.t.Errorf("the log's newest entries %q have no %s", actions, want)
		}
	}
	s.ada.signIn(ada, s.console("/system"))
	s.ada.says("Is it ready?", "Usage of the last 30 days", "staging")
	s.ada.accessible("system")
	s.ada.open(s.console("/system/diagnosis"))
	s.ada.says("database")
	s.ada.accessible("system-diagnosis")
	s.vera.open(s.console("/access"))
	s.vera.accessible("access-viewer")
	if text := s.vera.text(); strings.Contains(text, "System") {
		s.t.Errorf("a viewer is led to the system's page:\n%s", text)
	}
}
