package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clientTimeout bounds a question to an agent on the same machine.
const clientTimeout = 10 * time.Second

// Form is a form in which an agent tells its State.
type Form string

// The forms: a page for people, and the contract for programs.
const (
	Table Form = "table"
	JSON  Form = "json"
	YAML  Form = "yaml"
)

// Read asks the agent that serves socket for its State, and writes what it says to out as it is. So it is the agent that runs
// whose page is shown, whatever the version of the program that asks.
func Read(ctx context.Context, socket string, form Form, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	response, err := ask(ctx, http.MethodGet, "/status", socket, form, nil)
	if err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("read status: %s answers %q: is it the socket of an agent?", socket, response.Status)
	}
	if _, err := io.Copy(out, response.Body); err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	return nil
}

// ErrDrift is wrapped by the error of an audit that found changes by somebody's hand.
var ErrDrift = errors.New("somebody changed FRR by hand")

// ReadAudit has the agent that serves socket compare FRR with what it made it, and writes what it found to out as it is. It is an
// ErrDrift where that is something.
func ReadAudit(ctx context.Context, socket string, form Form, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := ask(ctx, http.MethodPost, "/audit", socket, form, nil)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("audit: %w", err)
	case response.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("audit: %s", strings.TrimSpace(string(body)))
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("audit: %s answers %q: is it the socket of an agent of this version?", socket, response.Status)
	}
	if _, err := out.Write(body); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if response.Header.Get(driftHeader) != "0" {
		return fmt.Errorf("audit: %w: statements that differ: %s", ErrDrift, response.Header.Get(driftHeader))
	}
	return nil
}

// ErrFault is wrapped by the error of an answer that found something wrong.
var ErrFault = errors.New("not as it should be")

// Ask asks the agent that serves socket one of its Questions, with values, and writes its answer to out as it is. Where that
// has found something wrong it is an ErrFault.
func Ask(ctx context.Context, socket, question string, values url.Values, form Form, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := ask(ctx, http.MethodGet, "/ask/"+question, socket, form, values)
	if err != nil {
		return fmt.Errorf("%s: %w", question, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", question, err)
	case response.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("%s: %s", question, strings.TrimSpace(string(body)))
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s answers %q: is it the socket of an agent of this version?", question, socket, response.Status)
	}
	if _, err := out.Write(body); err != nil {
		return fmt.Errorf("%s: %w", question, err)
	}
	if fault := response.Header.Get(faultHeader); fault != "" {
		return fmt.Errorf("%s: %w: %s", question, ErrFault, fault)
	}
	return nil
}

// Readiness asks the agent that listens on address (Config.Listen) for /readyz, and gives each line that is not simply ok; none means
// that all is well. Of who is no agent, or does not answer in time, it says so in the error.
func Readiness(ctx context.Context, address netip.AddrPort) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address.String()+"/readyz?verbose", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for readiness: %w", err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for readiness: %w", err)
	}
	defer response.Body.Close()
	const most = 1 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, fmt.Errorf("ask for readiness: %w", err)
	}
	well := response.StatusCode == http.StatusOK
	if !strings.Contains(string(body), "readyz check ") || !well && response.StatusCode != http.StatusServiceUnavailable {
		return nil, fmt.Errorf("ask for readiness: %s answers %q: is it an agent?", address, response.Status)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "readyz check ") && (!strings.HasPrefix(line, "[+]") || !strings.HasSuffix(line, " ok")) {
			lines = append(lines, oneLine(line))
		}
	}
	if !well && lines == nil {
		lines = []string{"it is not ready, and does not say why"}
	}
	return lines, nil
}

// ask sends one request to the agent that serves socket.
func ask(ctx context.Context, method, path, socket string, form Form, values url.Values) (*http.Response, error) {
	var dialer net.Dialer
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	query := url.Values{"output": {string(form)}}
	maps.Copy(query, values)
	address := url.URL{Scheme: "http", Host: "agent", Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, address.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED):
		return nil, fmt.Errorf("no agent answers on %s: start one with fairlead run, or name its status.socket with --socket", socket)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s may only be read by the user who runs the agent", socket)
	}
	return response, err
}
