package github_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"net/http"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge/github"
)

func signature(algorithm func() hash.Hash, secret, body string) string {
	mac := hmac.New(algorithm, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// Threat 1: a delivery without GitHub's proof is nobody's.
func TestThreat01DeliveryWithoutTheRightSignatureIsRefused(t *testing.T) {
	t.Parallel()
	const body, secret = `{"action":"created"}`, "s3cret"
	good := "sha256=" + signature(sha256.New, secret, body)
	cases := map[string]struct {
		header http.Header
		want   error
	}{
		"right":          {http.Header{"X-Hub-Signature-256": {good}}, nil},
		"second secret":  {http.Header{"X-Hub-Signature-256": {"sha256=" + signature(sha256.New, "older", body)}}, nil},
		"upper-case hex": {http.Header{"X-Hub-Signature-256": {"sha256=" + strings.ToUpper(good[7:])}}, nil},
		"none":           {http.Header{}, github.ErrSignature},
		"empty":          {http.Header{"X-Hub-Signature-256": {""}}, github.ErrSignature},
		"only SHA-1":     {http.Header{"X-Hub-Signature": {"sha1=" + signature(sha1.New, secret, body)}}, github.ErrSignature},
		"SHA-1 in its place": {
			http.Header{"X-Hub-Signature-256": {"sha1=" + signature(sha1.New, secret, body)}}, github.ErrSignature},
		"other secret": {
			http.Header{"X-Hub-Signature-256": {"sha256=" + signature(sha256.New, "", body)}}, github.ErrSignature},
		"other body": {
			http.Header{"X-Hub-Signature-256": {"sha256=" + signature(sha256.New, secret, body+" ")}}, github.ErrSignature},
		"short":       {http.Header{"X-Hub-Signature-256": {good[:len(good)-2]}}, github.ErrSignature},
		"long":        {http.Header{"X-Hub-Signature-256": {good + "00"}}, github.ErrSignature},
		"prefix only": {http.Header{"X-Hub-Signature-256": {"sha256="}}, github.ErrSignature},
		"no prefix":   {http.Header{"X-Hub-Signature-256": {good[7:]}}, github.ErrSignature},
		"not hex":     {http.Header{"X-Hub-Signature-256": {"sha256=" + strings.Repeat("zz", 32)}}, github.ErrSignature},
		"two":         {http.Header{"X-Hub-Signature-256": {good, good}}, github.ErrSignature},
	}
	hook, err := github.NewWebhook([]byte("older"), []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		if err := hook.Verify(c.header, []byte(body)); !errors.Is(err, c.want) {
			t.Errorf("%s: Verify returned %v, want %v", name, err, c.want)
		}
	}
}

func TestThreat01WebhookWithoutSecretCannotBeBuilt(t *testing.T) {
	t.Parallel()
	for name, secrets := range map[string][][]byte{
		"none": {}, "empty": {{}}, "nil": {nil}, "blank": {[]byte(" \n")}, "one of two empty": {[]byte("x"), {}},
	} {
		if hook, err := github.NewWebhook(secrets...); err == nil || hook != nil {
			t.Errorf("%s: NewWebhook returned %v, %v", name, hook, err)
		}
	}
	if err := (&github.Webhook{}).Verify(http.Header{
		"X-Hub-Signature-256": {"sha256=" + signature(sha256.New, "", "{}")}}, []byte("{}")); !errors.Is(err, github.ErrSignature) {
		t.Errorf("a zero Webhook accepted a delivery: %v", err)
	}
}

// Threat 4: what a proxy or a sender put into the headers is not stored.
func TestThreat04OnlyListedHeadersOfADeliveryAreKept(t *testing.T) {
	t.Parallel()
	d, err := github.DeliveryOf(http.Header{
		"X-Github-Delivery":   {"72d3162e-cc78-11e3-81ab-4c9367dc0958"},
		"X-Github-Event":      {"issue_comment"},
		"X-Github-Hook-Id":    {"292430182"},
		"Content-Type":        {"application/json"},
		"User-Agent":          {"GitHub-Hookshot/044aadd\r\nX-Evil: 1" + strings.Repeat("x", 1000)},
		"Authorization":       {"Bearer leak"},
		"Cookie":              {"session=leak"},
		"X-Github-Token":      {"leak"},
		"X-Hub-Signature-256": {"sha256=leak"},
		"X-Forwarded-For":     {"leak"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.GUID != "72d3162e-cc78-11e3-81ab-4c9367dc0958" || d.Event != "issue_comment" || len(d.Header) != 5 {
		t.Errorf("got %+v", d)
	}
	for name, value := range d.Header {
		if strings.Contains(value, "leak") || strings.ContainsAny(value, "\r\n") || len(value) > 256 {
			t.Errorf("kept %s: %q", name, value)
		}
	}
}

func TestDeliveryNeedsItsIDAndEvent(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]http.Header{
		"no id":        {"X-Github-Event": {"issues"}},
		"no event":     {"X-Github-Delivery": {"72d3162e-cc78-11e3-81ab-4c9367dc0958"}},
		"id of markup": {"X-Github-Event": {"issues"}, "X-Github-Delivery": {"<script>alert(1)"}},
		"event path":   {"X-Github-Event": {"../issues"}, "X-Github-Delivery": {"72d3162e-cc78-11e3-81ab-4c9367dc0958"}},
	} {
		if d, err := github.DeliveryOf(header); err == nil {
			t.Errorf("%s: DeliveryOf returned %+v", name, d)
		}
	}
}
