package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadPasswords(t *testing.T) {
	eighty := strings.Repeat("swordfish!", 8)
	tests := []struct {
		name, content, want, err string
	}{
		{name: "no line break", content: "swordfish", want: "swordfish"},
		{name: "line break", content: "swordfish\n", want: "swordfish"},
		{name: "CR LF", content: "swordfish\r\n", want: "swordfish"},
		{name: "punctuation", content: "!#\"?\\~'$swordfish", want: "!#\"?\\~'$swordfish"},
		{name: "one character", content: "s", want: "s"},
		{name: "80 characters", content: eighty, want: eighty},
		{name: "80 characters and CR LF", content: eighty + "\r\n", want: eighty},
		{name: "81 characters", content: eighty + "s", err: "is longer than the 80 characters that FRR takes: choose a shorter password"},
		{name: "81 characters and line break", content: eighty + "s\n", err: "is longer than the 80 characters that FRR takes: choose a shorter password"},
		{name: "megabytes", content: strings.Repeat(eighty, 50_000), err: "is longer than the 80 characters that FRR takes: choose a shorter password"},
		{name: "empty", content: "", err: "is empty: write the password into it, or take out what names it"},
		{name: "line break alone", content: "\n", err: "is empty: write the password into it, or take out what names it"},
		{name: "two line breaks", content: "swordfish\n\n", err: "has more than one line: write the password alone"},
		{name: "two lines", content: "swordfish\nno neighbor\n", err: "has more than one line: write the password alone"},
		{name: "80 characters and a second line", content: eighty + "\r\nno", err: "has more than one line: write the password alone"},
		{name: "carriage return alone", content: "swordfish\r", err: "has more than one line: write the password alone"},
		{name: "tab", content: "sword\tfish", err: "has a character that is not a printable ASCII one: write letters, digits and punctuation only"},
		{name: "zero", content: "swordfish\x00", err: "has a character that is not a printable ASCII one: write letters, digits and punctuation only"},
		{name: "byte order mark", content: "\ufeffswordfish", err: "has a character that is not a printable ASCII one: write letters, digits and punctuation only"},
		{name: "not UTF-8", content: "swordfish\xff", err: "has a character that is not a printable ASCII one: write letters, digits and punctuation only"},
		{name: "space first", content: " swordfish", err: "has a space, where FRR ends a password: choose one without"},
		{name: "space between", content: "sword fish\n", err: "has a space, where FRR ends a password: choose one without"},
		{name: "space last", content: "swordfish \n", err: "has a space, where FRR ends a password: choose one without"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "secrets", "tor1")
			write(t, path, test.content)
			c := Config{Neighbors: []Neighbor{{Name: "tor0"}, {Name: "tor1", Session: Session{PasswordFile: "secrets/tor1"}}}}
			got := ""
			if err := c.ReadPasswords(dir); err != nil {
				got = err.Error()
			}
			want := ""
			if test.err != "" {
				want = "read password of neighbors[1] (tor1): " + path + " " + test.err
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error differs (-want +got):\n%s", diff)
			}
			if strings.Contains(got, "fish") {
				t.Error("the error holds a part of the password")
			}
			if password := c.Neighbors[1].Password.Reveal(); password != test.want {
				t.Errorf("the password has %d bytes, want %d", len(password), len(test.want))
			}
			if c.Neighbors[0].Password != "" {
				t.Error("a neighbor without a password file has a password")
			}
		})
	}
}

func TestReadPasswordsAll(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	good, missing := filepath.Join(other, "good"), filepath.Join(dir, "missing")
	write(t, good, "swordfish\n")
	c := Config{Neighbors: []Neighbor{
		{Name: "a", Session: Session{PasswordFile: good}, Password: "before"},
		{Name: "b", Session: Session{PasswordFile: "missing"}},
		{Name: "c", Session: Session{PasswordFile: dir}},
	}}
	err := c.ReadPasswords(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error is %v, want one that is fs.ErrNotExist", err)
	}
	for _, want := range []string{"neighbors[1] (b)", missing, "neighbors[2] (c)", dir} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error is %q, want %q in it", err, want)
		}
	}
	if got := c.Neighbors[0].Password.Reveal(); got != "before" {
		t.Error("a password has changed in spite of the error")
	}

	c.Neighbors = c.Neighbors[:1]
	if err := c.ReadPasswords(dir); err != nil {
		t.Fatal(err)
	}
	if got := c.Neighbors[0].Password.Reveal(); got != "swordfish" {
		t.Errorf("the password of the absolute path has %d bytes, want that of the file", len(got))
	}
}
