package cluster

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/test/kube"
)

// repository is the root of this repository, from here.
const repository = "../.."

// image is the name of the one that make image builds, without its tag.
const image = "localhost/fairlead"

// builder builds images with buildah, in a store of its own.
type builder struct {
	t   *testing.T
	dir string
}

// newBuilder skips t where images cannot be built.
func newBuilder(t *testing.T) *builder {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Skip("the image is built with buildah: run hack/setup --e2e")
	}
	//nolint:usetesting // The name is one that a laboratory gives: what a killed process left, package lab sweeps.
	dir, err := os.MkdirTemp("/tmp", labName("image"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("clean up: %v", err)
		}
	})
	return &builder{t: t, dir: dir}
}

// buildah is the command that works in the store. What it mounts ends with it, however it ends.
func (b *builder) buildah() []string {
	return []string{"unshare", "--mount", "buildah", "--root", filepath.Join(b.dir, "root"), "--runroot", filepath.Join(b.dir, "run")}
}

// run runs a command in a folder and returns what it prints.
func (b *builder) run(dir string, args ...string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*patience)
	defer cancel()
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir = dir
	// A HEALTHCHECK is kept in docker's format only.
	command.Env = append(os.Environ(), "BUILDAH_FORMAT=docker", "CGO_ENABLED=0")
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return string(out)
}

// save writes an image to a file.
func (b *builder) save(name string) string {
	b.t.Helper()
	file := filepath.Join(b.dir, strings.NewReplacer("/", "-", ":", "-").Replace(name)+".tar")
	b.run(".", append(b.buildah(), "push", "--quiet", name, "docker-archive:"+file+":"+name)...)
	return file
}

// fairlead builds the image as `make image` does for an operator, from the repository's Dockerfile, on the FRR of Debian 13.
func (b *builder) fairlead(tag string) string {
	b.t.Helper()
	cache, err := kube.CacheDir()
	if err != nil {
		b.t.Fatal(err)
	}
	base := filepath.Join(cache, "image", "frr-trixie.tar")
	if _, err := os.Stat(base); err != nil {
		b.t.Skipf("the image is built on one of FRR: %v: run hack/setup --e2e", err)
	}
	name := image + ":" + tag
	b.run(repository, "make", "--no-print-directory", "image", "CONTAINER="+strings.Join(b.buildah(), " "),
		"FRR_IMAGE=docker-archive:"+base, "IMAGE="+name)
	b.inspect(name)
	return b.save(name)
}

// inspect looks at what the Dockerfile is to have said.
func (b *builder) inspect(name string) {
	b.t.Helper()
	var found struct {
		Docker struct {
			Config struct {
				Entrypoint, Cmd []string
				Labels          map[string]string
				Healthcheck     struct{ Test []string }
			} `json:"config"`
			RootFS struct {
				Layers []string `json:"diff_ids"`
			} `json:"rootfs"`
		}
	}
	text := b.run(".", append(b.buildah(), "inspect", "--type", "image", name)...)
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.t.Fatal(err)
	}
	c := found.Docker.Config
	if strings.Join(c.Entrypoint, " ")+" "+strings.Join(c.Cmd, " ") != "/usr/local/bin/fairlead run" {
		b.t.Errorf("the image runs %q %q", c.Entrypoint, c.Cmd)
	}
	if !strings.Contains(strings.Join(c.Healthcheck.Test, " "), "fairlead status") {
		b.t.Errorf("the image checks its health by %q", c.Healthcheck.Test)
	}
	if c.Labels["org.opencontainers.image.version"] == "" {
		b.t.Errorf("the image has no version among its labels %v", c.Labels)
	}
	// The base is one, and the agent's program another: nothing is installed.
	if len(found.Docker.RootFS.Layers) != 2 {
		b.t.Errorf("the image has %d layers, not 2", len(found.Docker.RootFS.Layers))
	}
}

// pause builds the image of each pod's first process.
func (b *builder) pause() string {
	b.t.Helper()
	dir := filepath.Join(b.dir, "pause")
	b.run(".", "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "pause"), "./pause")
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY pause /pause\nENTRYPOINT [\"/pause\"]\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.run(dir, append(b.buildah(), "build", "--quiet", "--tag", pauseImage, ".")...)
	return b.save(pauseImage)
}
