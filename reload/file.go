package reload

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// File is the frr.conf that FRR starts with.
type File struct {
	// Path is where it is; "" keeps no file.
	Path string
	// Write replaces the file atomically, readable by FRR and not by everybody: it holds passwords.
	Write func(path string, data []byte) error
}

// save makes the file hold wanted, and the statements that others wrote into it as they are.
func (f File) save(wanted []byte) error {
	if f.Path == "" {
		return nil
	}
	existing, err := os.ReadFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	merged := merge(wanted, existing)
	if bytes.Equal(merged, existing) {
		return nil
	}
	return f.Write(f.Path, merged)
}

// foreignHeading begins the part of frr.conf that is not ours.
const foreignHeading = "! Not Fairlead's: kept as it was found.\n"

// merge gives wanted with the statements of existing behind it that are not ours, each as it was written.
func merge(wanted, existing []byte) []byte {
	var foreign bytes.Buffer
	keep := false
	for line := range bytes.Lines(existing) {
		text := strings.TrimRight(string(line), " \t\r\n")
		indented := strings.HasPrefix(text, " ")
		switch {
		case text == "" || text[0] == '!' || text[0] == '#' || text == "end" || strings.HasPrefix(text, "frr defaults "):
			continue
		case !indented && text != "exit":
			keep = !(&Statement{Text: text}).owned()
		}
		if keep {
			fmt.Fprintln(&foreign, text)
		}
		if text == "exit" {
			keep = false
		}
	}
	if foreign.Len() == 0 {
		return wanted
	}
	body := bytes.TrimSuffix(wanted, []byte("end\n"))
	return bytes.Join([][]byte{body, []byte(foreignHeading), foreign.Bytes(), []byte("!\nend\n")}, nil)
}
