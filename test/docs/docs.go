// Package docs reads the commands out of the documentation, so that tests can hold them against the programs.
package docs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Command is a command that a page shows.
type Command struct {
	// At is where: "docs/proof.md:11".
	At string
	// Line is the command as a shell would read it, without what is remarked on it.
	Line string
	// Args are what stands behind the program's name.
	Args []string
	// Typed means that it stands in a block of code, to be typed as it is.
	Typed bool
	// Named means that text speaks of a command, and does not give it its operands.
	Named bool
}

// Commands gives the commands of a program ("fairlead", "kubectl fairlead", "kubectl", "helm", "ip") that the pages below root show: in a
// block of code that is indented or in a shell's fence, there also behind kubectl exec, and in a line of text between backticks. It fails t
// where there are none.
func Commands(t *testing.T, root, program string) []Command {
	t.Helper()
	var all []Command
	for _, pattern := range []string{"*.md", "docs/*.md", "charts/fairlead/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, page)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, commandsOf(name, string(text), program)...)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no page shows a command of %s", program)
	}
	return all
}

var (
	inline = regexp.MustCompile("`([^`]+)`")
	// remark is what a shell would not see.
	remark = regexp.MustCompile(`\s#.*$`)
)

func commandsOf(name, text, program string) []Command {
	var found []Command
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		var candidates []string
		quotes := false
		switch mark, inFence := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case inFence && fence == "":
			fence = "```" + mark
		case inFence:
			fence = ""
		case fence == "```sh" || fence == "" && strings.HasPrefix(line, "    "):
			candidates = []string{strings.TrimSpace(line)}
		case fence == "":
			quotes = true
			for _, quoted := range inline.FindAllStringSubmatch(line, -1) {
				candidates = append(candidates, quoted[1])
			}
		}
		for _, candidate := range candidates {
			typed := strings.TrimSpace(remark.ReplaceAllString(candidate, ""))
			if args, is := argsOf(typed, program); is {
				found = append(found, Command{
					At: fmt.Sprintf("%s:%d", name, i+1), Line: typed, Args: args, Typed: !quotes, Named: quotes && len(args) == 1,
				})
			}
		}
	}
	return found
}

// argsOf gives the arguments of program in a command line; false where it runs another.
func argsOf(line, program string) ([]string, bool) {
	words, own := strings.Fields(line), strings.Fields(program)
	if program == "fairlead" && len(words) > 0 && words[0] == "kubectl" && slices.Contains(words, "exec") {
		if i := slices.Index(words, "--"); i >= 0 {
			words = words[i+1:]
		}
	}
	// A name alone is no command.
	if len(words) <= len(own) || !slices.Equal(words[:len(own)], own) {
		return nil, false
	}
	args := words[len(own):]
	for i := range args {
		args[i] = strings.Trim(args[i], `'"`)
	}
	return args, true
}

// Check holds the commands that the pages below root show of a program against the program: the command exists, and takes these flags,
// and so many operands.
func Check(t *testing.T, root, program string, tree func() *cobra.Command) {
	t.Helper()
	for _, c := range Commands(t, root, program) {
		if err := takes(tree(), c.Args, c.Named); err != nil {
			t.Errorf("%s: %s %s: %v", c.At, program, strings.Join(c.Args, " "), err)
		}
	}
}

func takes(tree *cobra.Command, args []string, named bool) error {
	tree.InitDefaultHelpFlag()
	cmd, rest, err := tree.Find(args)
	if err != nil {
		return err
	}
	if cmd == tree {
		return errors.New("there is no such command")
	}
	if err := cmd.ParseFlags(rest); err != nil || named {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
