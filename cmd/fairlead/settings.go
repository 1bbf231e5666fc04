package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
)

// settings are one version of what the operator wrote: the configuration, with its passwords, and the templates. They are
// never changed; the next version that is good takes their place whole.
type settings struct {
	config config.Config
	// own are the operator's templates by file name; nil where there is no templatesDir.
	own      map[string]string
	renderer *render.Renderer
}

// readSettings reads the configuration at path and all that it names. It gives the paths that it has looked at, also with an
// error, so that they can be followed. Without secrets a password stands for one that was not read: it says that there is
// one, and prints as all do.
func readSettings(path string, secrets bool) (s settings, paths []string, err error) {
	paths = []string{path}
	data, err := os.ReadFile(path)
	if err != nil {
		return settings{}, paths, fmt.Errorf("read configuration: %w", err)
	}
	c, err := config.Parse(path, data)
	if err != nil {
		return settings{}, paths, err
	}
	dir := filepath.Dir(path)
	for i, n := range c.Neighbors {
		if n.PasswordFile != "" {
			paths = append(paths, within(dir, n.PasswordFile))
			c.Neighbors[i].Password = route.Secret("unread")
		}
	}
	if c.TemplatesDir != "" {
		paths = append(paths, within(dir, c.TemplatesDir))
	}
	if secrets {
		if err := c.ReadPasswords(dir); err != nil {
			return settings{}, paths, err
		}
	}
	s = settings{config: c}
	if c.TemplatesDir != "" {
		if s.own, err = readTemplates(within(dir, c.TemplatesDir)); err != nil {
			return settings{}, paths, err
		}
	}
	if s.renderer, err = render.Overlay(templates.FS, s.own); err != nil {
		return settings{}, paths, err
	}
	return s, paths, nil
}

// within gives path, which starts at dir where it is relative.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// readTemplates reads the files *.tmpl of a folder that do not begin with a dot.
func readTemplates(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read templatesDir: %w", err)
	}
	own := map[string]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || filepath.Ext(e.Name()) != ".tmpl" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read templatesDir: %w", err)
		}
		own[e.Name()] = string(text)
	}
	return own, nil
}

// equal reports whether s and other were read from the same values.
func (s settings) equal(other settings) bool {
	return reflect.DeepEqual(s.config, other.config) && maps.Equal(s.own, other.own)
}
