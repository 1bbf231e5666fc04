package status

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Answer is what a question is answered with: as JSON, as YAML, or as a page for people.
type Answer interface {
	// Print writes the page, with its ages as of now.
	Print(out io.Writer, now time.Time) error
}

// Faulty is an Answer that can have found something wrong.
type Faulty interface {
	// Fault says what; "" means nothing.
	Fault() string
}

// Question answers what somebody asks the agent over its socket, by the values that came with it. Its error is told as it is.
type Question func(ctx context.Context, values url.Values) (Answer, error)

// faultHeader has what an Answer found wrong, in one line.
const faultHeader = "Fairlead-Fault"

// serveQuestion answers a question in any form. Its failure is a 503 that says why.
func serveQuestion(ask Question) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), auditTimeout)
		defer cancel()
		found, err := ask(ctx, r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if faulty, can := found.(Faulty); can {
			if fault := faulty.Fault(); fault != "" {
				w.Header().Set(faultHeader, oneLine(fault))
			}
		}
		answer(w, r, found, found.Print)
	}
}
