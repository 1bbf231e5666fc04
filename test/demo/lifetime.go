package main

import "fmt"

// lifetime is the lab.T of the demo: what the laboratory makes ends with it.
type lifetime struct {
	out      *printer
	cleanups []func()
}

// stopped is the panic by which Fatalf and Skipf do not return. It never leaves during and attempt.
type stopped struct {
	err     error
	skipped bool
}

// during calls f with a new lifetime, and ends it, the last made first, whatever becomes of f. A Fatalf or Skipf in f ends
// f, and is the error returned.
func during(out *printer, f func(*lifetime) error) (err error) {
	l := &lifetime{out: out}
	defer l.end()
	defer func() {
		if s := caught(recover()); s != nil {
			err = s.err
		}
	}()
	return f(l)
}

// attempt calls f and reports whether it ran to its end: false means that it was skipped. What it made stays.
func attempt(f func()) (done bool) {
	defer func() {
		if s := caught(recover()); s != nil && !s.skipped {
			panic(*s)
		}
	}()
	f()
	return true
}

// caught gives the stopped that was recovered, nil where there was no panic, and hands on any other panic.
func caught(recovered any) *stopped {
	if recovered == nil {
		return nil
	}
	s, ok := recovered.(stopped)
	if !ok {
		panic(recovered)
	}
	return &s
}

func (l *lifetime) end() {
	for len(l.cleanups) > 0 {
		last := len(l.cleanups) - 1
		f := l.cleanups[last]
		l.cleanups = l.cleanups[:last]
		f()
	}
}

// Helper implements lab.T.
func (l *lifetime) Helper() {}

// Logf implements lab.T.
func (l *lifetime) Logf(format string, args ...any) { l.out.text(format, args...) }

// Fatalf implements lab.T: it ends what during runs.
func (l *lifetime) Fatalf(format string, args ...any) {
	panic(stopped{err: fmt.Errorf(format, args...)})
}

// Skipf implements lab.T: it ends what attempt or during runs.
func (l *lifetime) Skipf(format string, args ...any) {
	panic(stopped{err: fmt.Errorf(format, args...), skipped: true})
}

// Cleanup implements lab.T.
func (l *lifetime) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }
