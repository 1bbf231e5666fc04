package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reload"
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
	// digest tells one version from another, and nothing of a password.
	digest string
	// kept is the frr.conf of the last good version where nothing else of it is known, because the agent has just started; else
	// nil. Of the config only frr and logging are known then, and they are those of the version now.
	kept []byte
}

// keptSettings gives what was in force when an agent ended: the last good frr.conf, which lies where the configuration at path
// says, be that broken or not. It reports false where there is none.
func keptSettings(path string) (settings, bool) {
	data, err := config.ReadFile(path)
	if err != nil {
		return settings{}, false
	}
	c, ok := config.Foundation(data)
	if !ok {
		return settings{}, false
	}
	conf, err := os.ReadFile(c.FRR.Paths.Config)
	if err != nil || !reload.Kept(conf) {
		return settings{}, false
	}
	return settings{config: c, kept: conf}, true
}

// readSettings reads the configuration and all that it names. It gives the paths that it has looked at, also with an
// error, so that they can be followed. Without secrets a password stands for one that was not read: it says that there is
// one, and prints as all do.
func readSettings(o *options, secrets bool) (s settings, paths []string, err error) {
	path := o.config
	paths = []string{path}
	data, err := config.ReadFile(path)
	if err != nil {
		return settings{}, paths, fmt.Errorf("read configuration: %w", err)
	}
	c, err := config.Parse(path, data)
	if err != nil {
		return settings{}, paths, err
	}
	c.SetNamespace(o.namespace)
	dir := filepath.Dir(path)
	for i, n := range c.Neighbors {
		if n.PasswordFile != "" {
			paths = append(paths, within(dir, n.PasswordFile))
		}
		// A password that is there already keeps Reduce from looking for its Secret.
		if n.PasswordFile != "" || n.PasswordSecretRef.Name != "" && !secrets {
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
	s.digest = digestOf(data, s.own)
	return s, paths, nil
}

// digestOf gives what tells one version of the configuration and its templates from another.
func digestOf(configuration []byte, own map[string]string) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%x\n", sha256.Sum256(configuration))
	for _, name := range slices.Sorted(maps.Keys(own)) {
		_, _ = fmt.Fprintf(sum, "%q %x\n", name, sha256.Sum256([]byte(own[name])))
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
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
		text, err := config.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read templatesDir: %w", err)
		}
		own[e.Name()] = string(text)
	}
	return own, nil
}

// foreign gives what is declared foreign.
func (s settings) foreign() reload.Foreign {
	var f reload.Foreign
	for _, statement := range s.config.FRR.Foreign {
		f = append(f, statement.Path())
	}
	return f
}

// equal reports whether s and other were read from the same values.
func (s settings) equal(other settings) bool {
	return reflect.DeepEqual(s.config, other.config) && maps.Equal(s.own, other.own)
}

// settle takes over from c what is read once, when an agent starts, and names the keys of it that differ.
func (s *settings) settle(c config.Config) string {
	var changed []string
	// How FRR is looked after, and what of it is somebody else's, may change at any time.
	audit, foreign := s.config.FRR.Audit, s.config.FRR.Foreign
	s.config.FRR.Audit, s.config.FRR.Foreign = c.FRR.Audit, c.FRR.Foreign
	if !reflect.DeepEqual(s.config.FRR, c.FRR) {
		changed = append(changed, "frr")
	}
	if s.config.Kubernetes != c.Kubernetes {
		changed = append(changed, "kubernetes")
	}
	if s.config.NATGateway != c.NATGateway {
		changed = append(changed, "natGateway")
	}
	if s.config.Status != c.Status {
		changed = append(changed, "status")
	}
	if s.config.Events != c.Events {
		changed = append(changed, "events")
	}
	// Whether FRR feeds the station is a matter of frr.conf.
	feed := s.config.Verify.BMP.Feed
	s.config.Verify.BMP.Feed = c.Verify.BMP.Feed
	if !reflect.DeepEqual(s.config.Verify, c.Verify) {
		changed = append(changed, "verify")
	}
	s.config.Verify = c.Verify
	s.config.Verify.BMP.Feed = feed
	s.config.FRR, s.config.Kubernetes, s.config.NATGateway = c.FRR, c.Kubernetes, c.NATGateway
	s.config.FRR.Audit, s.config.FRR.Foreign = audit, foreign
	s.config.Status, s.config.Events = c.Status, c.Events
	return strings.Join(changed, ", ")
}

// conflict says why s, as settle left it, cannot be in force: each version for itself is good, and what is read once, of the one,
// may not go with the rest of the other.
func (s settings) conflict() error {
	if s.config.Kubernetes.Scope == config.ScopeNode && s.config.Announce.PodsInAnnouncedSubnets {
		return errors.New("announce.podsInAnnouncedSubnets is not possible with kubernetes.scope: node, which stays in force until the agent " +
			"starts again: restart it, or take podsInAnnouncedSubnets out")
	}
	return nil
}
