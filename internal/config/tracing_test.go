package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTracesAreSentWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("Authorization: Bearer t0p:secret\n\nX-Team:  shop \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Salvage("", []string{
		"CODERFLOW_TRACING_ENDPOINT=https://collector.example/otlp/", "CODERFLOW_TRACING_HEADERS_FILE=" + headers, "CODERFLOW_TRACING_SAMPLE_RATIO=0.25",
	})
	if c.Tracing == nil || c.Tracing.Endpoint != "https://collector.example/otlp" || c.Tracing.SampleRatio != 0.25 ||
		c.Tracing.Headers.Get("Authorization") != "Bearer t0p:secret" || c.Tracing.Headers.Get("X-Team") != "shop" {
		t.Errorf("%+v, %v", c.Tracing, err)
	}
	if c, _ := Salvage("", nil); c.Tracing != nil {
		t.Errorf("without an endpoint: %+v", c.Tracing)
	}
}

func TestBadTracingIsNamed(t *testing.T) {
	t.Parallel()
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("Bearer t0p-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoint := "CODERFLOW_TRACING_ENDPOINT=http://127.0.0.1:4318"
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"CODERFLOW_TRACING_ENDPOINT=http://collector.example:4318"}, "tracing.endpoint"},
		{[]string{"CODERFLOW_TRACING_ENDPOINT=https://me:pw@collector.example"}, "must not hold a user"},
		{[]string{"CODERFLOW_TRACING_HEADERS_FILE=" + headers}, "tracing.endpoint"},
		{[]string{endpoint, "CODERFLOW_TRACING_SAMPLE_RATIO=0"}, "above 0 and up to 1"},
		{[]string{endpoint, "CODERFLOW_TRACING_SAMPLE_RATIO=1.5"}, "above 0 and up to 1"},
		{[]string{endpoint, "CODERFLOW_TRACING_HEADERS_FILE=" + headers}, "Name: value"},
		{[]string{endpoint, "CODERFLOW_TRACING_HEADERS_FILE=/nowhere"}, "cannot be read"},
	} {
		_, err := Salvage("", c.environ)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "t0p-secret") {
			t.Errorf("%q: %v, want %q", c.environ, err, c.want)
		}
	}
	if _, err := Salvage("", []string{"CODERFLOW_TRACING_ENDPOINT=http://collector.example:4318", "CODERFLOW_TRACING_ALLOW_HTTP=true"}); err != nil {
		t.Error(err)
	}
}
