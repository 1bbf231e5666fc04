package reduce

import "errors"

// reason is an error that says what to do beside it.
type reason struct {
	error
	remedy string
}

// Unwrap gives the error alone.
func (r *reason) Unwrap() error { return r.error }

// remedied gives err with what to do about it.
func remedied(err error, remedy string) error { return &reason{err, remedy} }

// remedyOf gives what an error says is to be done, and "" where it does not say.
func remedyOf(err error) string {
	var r *reason
	if !errors.As(err, &r) {
		return ""
	}
	return r.remedy
}
