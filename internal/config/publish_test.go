package config

import (
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
)

func TestCheckpointsArePublishedWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	c, err := Load(write(t, minimal+"\naudit:\n  publish: {repository: 'github:7', name: acme/evidence}\n"), nil)
	want := Publish{Repository: forge.RepositoryRef{Host: "github", ID: "7", Owner: "acme", Name: "evidence"}, Branch: "coderflow-audit", Interval: time.Hour}
	if err != nil || *c.Publish != want {
		t.Fatalf("%+v %v", c.Publish, err)
	}
	for key, bad := range map[string]string{
		"audit.publish.repository": "{repository: acme/evidence, name: acme/evidence}",
		"audit.publish.name":       "{repository: 'github:7', name: ../x}",
		"audit.publish.branch":     "{repository: 'github:7', name: acme/evidence, branch: main}",
		"audit.publish.interval":   "{repository: 'github:7', name: acme/evidence, interval: 1s}",
	} {
		if _, err := Load(write(t, minimal+"\naudit:\n  publish: "+bad+"\n"), nil); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if c, err := Load(write(t, minimal), nil); err != nil || c.Publish != nil {
		t.Errorf("without: %+v %v", c.Publish, err)
	}
}
