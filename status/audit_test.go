package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestReadAudit asks for audits over the socket: one that finds something, one that finds only what is declared foreign, and
// one that cannot be made.
func TestReadAudit(t *testing.T) {
	// An audit that was made before anybody asked answers nobody.
	old := time.Now()
	next := make(chan func(b *Board), 2)
	var b *Board
	b = New(Options{Node: "node1", Audit: func() {
		select {
		case answer := <-next:
			go answer(b)
		default:
		}
	}})
	path := filepath.Join(t.TempDir(), "fairlead.sock")
	serveStatus(t, b, Config{Socket: path})

	var out bytes.Buffer
	next <- func(b *Board) { b.Audited(old, "heal", touched()[:1]) }
	next <- func(b *Board) { b.Audited(time.Now(), "report", touched()) }
	if err := ReadAudit(t.Context(), path, Table, &out); !errors.Is(err, ErrDrift) || !strings.HasSuffix(err.Error(), ": 3") {
		t.Errorf("with changes by hand the error is %v", err)
	}
	for _, want := range []string{
		"found statements changed by hand: 3, left as they are",
		"\n  missing   fairlead   router bgp 65000 / address-family ipv4 unicast / network 10.16.0.5/32 route-map FL-GROUP-0000beef ",
		"   Pod default/sample\n", "\n  added     foreign    router bgp 65000 / neighbor 192.0.2.9 remote-as 65009\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("the page has a control character: %q", &out)
	}

	out.Reset()
	next <- func(b *Board) { b.Audited(time.Now(), "heal", touched()[3:]) }
	if err := ReadAudit(t.Context(), path, JSON, &out); err != nil {
		t.Errorf("with what is foreign alone the error is %v", err)
	}
	var audit Audit
	if err := json.Unmarshal(out.Bytes(), &audit); err != nil || len(audit.Statements) != 1 || audit.Drift() != 0 || strings.Contains(out.String(), "null") {
		t.Errorf("the JSON is %v\n%s", err, &out)
	}

	next <- func(b *Board) { b.NotAudited(errors.New("bgpd is not running")) }
	if err := ReadAudit(t.Context(), path, Table, &out); err == nil || errors.Is(err, ErrDrift) || !strings.HasSuffix(err.Error(), "audit: bgpd is not running") {
		t.Errorf("where no audit is made the error is %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.MakeAudit(ctx); err == nil || !strings.Contains(err.Error(), "no audit was made in time") {
		t.Errorf("where nobody answers the error is %v", err)
	}
}
