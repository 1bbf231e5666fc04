package watch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
	"github.com/sirupsen/logrus"
)

// Files follows a set of files and folders that somebody else reads: a configuration, and what it names. Of a folder the
// files directly in it count that do not begin with a dot. What it watches are the folders around them, because editors
// replace a file and the mount of a ConfigMap or a Secret swaps a link beside it.
type Files struct {
	log   logrus.FieldLogger
	paths atomic.Pointer[[]string]
	// moved holds at most one word that paths are others now.
	moved chan struct{}

	// These belong to Run.
	watcher *fsnotify.Watcher
	watched map[string]os.FileInfo
}

// NewFiles gives a Files that follows nothing yet.
func NewFiles(log logrus.FieldLogger) *Files {
	f := &Files{log: log.WithField("stage", "watch"), moved: make(chan struct{}, 1), watched: map[string]os.FileInfo{}}
	f.paths.Store(&[]string{})
	return f
}

// Follow has Run follow these paths and no others; they need not exist. It may be called at any time from any goroutine.
// Paths that were not followed before may have changed since they were read, so Run calls changed once for them.
func (f *Files) Follow(paths ...string) {
	paths = slices.Clone(paths)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if slices.Equal(*f.paths.Swap(&paths), paths) {
		return
	}
	select {
	case f.moved <- struct{}{}:
	default:
	}
}

// Run follows the files until ctx ends, and then returns nil; call it once. It calls changed, from its own goroutine, after
// the content of one of them is another: a file that is written anew as it was wakes nobody. An error means that the
// system gives no way to follow any folder.
func (f *Files) Run(ctx context.Context, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer func() { _ = watcher.Close() }()
	f.watcher = watcher
	var last [sha256.Size]byte
	attend(ctx, watcher, f.log, f.moved, f.follow, func() {
		f.follow()
		if now := fingerprint(*f.paths.Load()); now != last {
			last = now
			changed()
		}
	})
	return nil
}

// follow makes sure that the folders of the paths are watched as they are now, and reports whether a watch is new, so that
// events may be missing. A folder that is not there is looked for again by the next call.
func (f *Files) follow() bool {
	wanted := folders(*f.paths.Load())
	for folder := range f.watched {
		if !slices.Contains(wanted, folder) {
			f.forget(folder)
		}
	}
	again := false
	alive := f.watcher.WatchList()
	for _, folder := range wanted {
		info, err := os.Stat(folder)
		last := f.watched[folder]
		if err == nil && last != nil && os.SameFile(info, last) && slices.Contains(alive, folder) {
			continue
		}
		f.forget(folder)
		if err == nil {
			err = f.watcher.Add(folder)
		}
		if err == nil {
			f.watched[folder] = info
		}
		again = again || err == nil || last != nil
	}
	return again
}

// forget ends the watch of a folder. Where the folder is gone, so is its watch, and that is well.
func (f *Files) forget(folder string) {
	_ = f.watcher.Remove(folder)
	delete(f.watched, folder)
}

// folders are where a change of the paths shows: the folders that hold them, those that links lead to, and the paths that
// are folders themselves.
func folders(paths []string) []string {
	var all []string
	for _, path := range paths {
		places := []string{path}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			places = append(places, real)
		}
		for _, place := range places {
			all = append(all, filepath.Dir(place))
			if info, err := os.Stat(place); err == nil && info.IsDir() {
				all = append(all, place)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fingerprint stands for all that the paths hold, or for why they cannot be read. Nothing can be learned from it of what
// they hold: some are passwords.
func fingerprint(paths []string) [sha256.Size]byte {
	sum := sha256.New()
	for _, path := range paths {
		entries, err := os.ReadDir(path)
		if err != nil {
			digest(sum, path)
			continue
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				digest(sum, filepath.Join(path, e.Name()))
			}
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// digest adds a file's name and a digest of what it holds to sum.
func digest(sum hash.Hash, path string) {
	content, err := digestFile(path)
	if err != nil {
		content = []byte(err.Error())
	}
	_, _ = fmt.Fprintf(sum, "%q %x\n", path, content)
}

func digestFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}
