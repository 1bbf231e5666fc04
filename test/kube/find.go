package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairlead/fairlead/test/lab"
)

// built gives the server's binary, or skips t.
func built(t lab.T) string {
	t.Helper()
	binary, err := find()
	if err != nil {
		t.Skipf("tests with a real API server: %v", err)
	}
	return binary
}

// find gives the API server that hack/setup built of the sources as they are now.
func find() (string, error) { return binary("the API server", "kube-apiserver", "--test") }

// Nodes gives the binary of what a cluster needs beside the API server, kube-cluster, which hack/setup --e2e builds.
func Nodes() (string, error) { return binary("the kubelet", "kube-cluster", "--e2e", "cluster") }

// binary gives what hack/setup built with an option, of the sources as they are now and of those in folders below them.
func binary(what, name, option string, folders ...string) (string, error) {
	dir, err := sourceDir()
	if err != nil {
		return "", err
	}
	sources := []string{dir}
	for _, folder := range folders {
		sources = append(sources, filepath.Join(dir, folder))
	}
	key, err := digest(sources...)
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "kube", key, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find %s: %w: build it with hack/setup %s", what, err, option)
	}
	return path, nil
}

// sourceDir finds test/kube/server from the folder of the test that runs.
func sourceDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the API server's sources: %w", err)
	}
	for {
		server := filepath.Join(dir, "test", "kube", "server")
		if _, err := os.Stat(filepath.Join(server, "go.mod")); err == nil {
			return server, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the API server's sources: test/kube/server is not above the working folder")
		}
		dir = parent
	}
}

// CacheDir is where hack/setup keeps what it makes.
func CacheDir() (string, error) {
	if dir := os.Getenv("FAIRLEAD_CACHE"); dir != "" {
		return dir, nil
	}
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the cache: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "fairlead"), nil
}

// digest names the build of a program whose sources are the files in the folders. hack/setup computes the same: the SHA-256 of the
// files, one after the other in the order of their names.
func digest(dirs ...string) (string, error) {
	sum := sha256.New()
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", fmt.Errorf("read the API server's sources: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return "", fmt.Errorf("read the API server's sources: %w", err)
			}
			sum.Write(text)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}
