package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/fairlead/fairlead/route"
)

// ReadPasswords reads each neighbor's PasswordFile into its Password. A relative path starts at dir, and one line break at
// the end of a file is not part of the password. The error joins those of all neighbors, and no message holds anything of
// a password; after an error no Password has changed.
func (c *Config) ReadPasswords(dir string) error {
	passwords := make([]route.Secret, len(c.Neighbors))
	var errs []error
	for i, n := range c.Neighbors {
		if n.PasswordFile == "" {
			continue
		}
		file := n.PasswordFile
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		password, err := readPassword(file)
		if err != nil {
			errs = append(errs, fmt.Errorf("read password of neighbors[%d] (%s): %w", i, n.Name, err))
		}
		passwords[i] = password
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, password := range passwords {
		c.Neighbors[i].Password = password
	}
	return nil
}

func readPassword(file string) (route.Secret, error) {
	f, err := open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()

	// The longest good file is a password and CR LF; one byte more tells that it is longer.
	data, err := io.ReadAll(io.LimitReader(f, route.MaxPassword+3))
	if err != nil {
		return "", err
	}
	password, err := ParsePassword(data)
	if err != nil {
		return "", fmt.Errorf("%s %w", file, err)
	}
	return password, nil
}

// ParsePassword reads what a password file or a key of a Secret holds; one line break at its end is not part of the
// password. The error goes on with a sentence that names where it was read, and holds nothing of the password.
func ParsePassword(data []byte) (route.Secret, error) {
	if line, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		data = bytes.TrimSuffix(line, []byte("\r"))
	}
	if advice := badPassword(data); advice != "" {
		return "", errors.New(advice)
	}
	return route.Secret(data), nil
}

// badPassword says why FRR would not take a password, or read another one than the neighbor does; "" where it is good.
func badPassword(password []byte) string {
	printable := func(r rune) bool { return r >= ' ' && r <= '~' }
	switch {
	case len(password) == 0:
		return "is empty: write the password into it, or take out what names it"
	case bytes.ContainsAny(password, "\r\n"):
		return "has more than one line: write the password alone"
	case bytes.ContainsFunc(password, func(r rune) bool { return !printable(r) }):
		return "has a character that is not a printable ASCII one: write letters, digits and punctuation only"
	case bytes.ContainsRune(password, ' '):
		return "has a space, where FRR ends a password: choose one without"
	case len(password) > route.MaxPassword:
		return fmt.Sprintf("is longer than the %d characters that FRR takes: choose a shorter password", route.MaxPassword)
	default:
		return ""
	}
}
