package watch

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/reduce"
)

// ReadFolder reads the manifests of a folder once: the files directly in it that are named *.yaml, *.yml or *.json and do
// not begin with a dot, links followed. What cannot be used is left out and told as a Problem, sorted; the error is for a
// folder that cannot be read.
func ReadFolder(dir string) (reduce.Snapshot, []Problem, error) {
	files, err := scan(dir, nil)
	if err != nil {
		return reduce.Snapshot{}, nil, err
	}
	snapshot, problems := merge(files)
	return snapshot, problems, nil
}

// Folder follows a folder of manifests. What cannot be read keeps its last good state: the objects of a file until it
// parses again, an object until it is right again, all of them while the folder is away. A file that is deleted, and an
// object that is no longer in a file that parses, are gone.
//
// Links are followed, and a link that is replaced is noticed. Writing to a file outside the folder that a link leads to
// is not: touch the link.
type Folder struct {
	dir     string
	log     logrus.FieldLogger
	current atomic.Pointer[state]

	// These belong to OpenFolder and then to Run.
	files     []*file
	found     []Problem // in the files
	unwatched error     // why the folder cannot be followed; nil where it is
}

// state is what a Folder tells. It is never changed once published.
type state struct {
	snapshot reduce.Snapshot
	problems []Problem
	// since is when there began to be problems.
	since time.Time
}

// OpenFolder reads the folder as ReadFolder does. Call Run to follow it.
func OpenFolder(dir string, log logrus.FieldLogger) (*Folder, error) {
	f := &Folder{dir: dir, log: log.WithField("stage", "watch")}
	f.current.Store(&state{})
	files, err := scan(dir, nil)
	if err != nil {
		return nil, err
	}
	f.take(files)
	return f, nil
}

// Snapshot is what the folder holds, its objects sorted by namespace and name. It may be called at any time from any
// goroutine; what it gives does not change.
func (f *Folder) Snapshot() reduce.Snapshot { return f.current.Load().snapshot }

// Problems are what is wrong in the folder at present, sorted. It may be called at any time from any goroutine; the
// slice is the caller's.
func (f *Folder) Problems() []Problem { return slices.Clone(f.current.Load().problems) }

// Readiness is Complete from the start: what is not in the folder is not there.
func (f *Folder) Readiness(Wanted) Readiness { return Complete }

// Sources has one entry, named manifests. The slice is the caller's.
func (f *Folder) Sources() []SourceState {
	c := f.current.Load()
	s := c.snapshot
	state := SourceState{Name: "manifests", Synced: true,
		Objects: len(s.Pods) + len(s.Services) + len(s.Nodes) + len(s.Subnets) + len(s.EIPs) + len(s.Gateways) + len(s.Secrets)}
	if n := len(c.problems); n > 0 {
		state.Condition = Condition{Reason: Malformed, Message: c.problems[0].String(), Since: c.since}
		if n > 1 {
			state.Condition.Message = fmt.Sprintf("%d problems, the first: %s", n, c.problems[0])
		}
	}
	return []SourceState{state}
}

// Want does nothing: all of the folder is read.
func (f *Folder) Want(Wanted) {}

// Run follows the folder until ctx ends, and then returns nil; call it once. It calls changed, from its own goroutine and
// never twice at a time, after Snapshot or Problems changed; changed should return soon. An error means that the system
// gives no way to follow any folder.
func (f *Folder) Run(ctx context.Context, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch folder %s: %w", f.dir, err)
	}
	defer func() { _ = watcher.Close() }()
	// What happened between OpenFolder and the watch gave no event.
	watched, _ := f.follow(watcher, nil)
	if f.rescan() {
		changed()
	}
	check := func() (again bool) {
		watched, again = f.follow(watcher, watched)
		return again
	}
	attend(ctx, watcher, f.log, nil, check, func() {
		if f.rescan() {
			changed()
		}
	})
	return nil
}

// follow makes sure that the folder that is at dir now is the one that is watched: a watch stays with a folder that was
// moved, and ends with one that was removed. It returns the folder watched, nil for none, and whether the folder should
// be read because events may be missing.
func (f *Folder) follow(watcher *fsnotify.Watcher, watched os.FileInfo) (os.FileInfo, bool) {
	info, err := os.Stat(f.dir)
	if err == nil && watched != nil && os.SameFile(info, watched) && len(watcher.WatchList()) > 0 {
		return watched, false
	}
	// It may hold the watch of another folder under the same name; where it holds none, that is well.
	_ = watcher.Remove(f.dir)
	if err == nil {
		err = watcher.Add(f.dir)
	}
	if f.unwatched = err; err != nil {
		return nil, true
	}
	return info, true
}

// rescan reads the folder and reports whether what is told changed.
func (f *Folder) rescan() bool {
	files, err := scan(f.dir, f.files)
	if err != nil {
		return f.tell(f.Snapshot(), append(slices.Clone(f.found), Problem{What: err.Error() + "; keeping all that was in it"}))
	}
	return f.take(files)
}

// take publishes what the files hold and reports whether that is another thing than before.
func (f *Folder) take(files []*file) bool {
	snapshot := f.Snapshot()
	if f.files == nil || !slices.Equal(files, f.files) {
		f.files = files
		snapshot, f.found = merge(files)
	}
	problems := f.found
	if f.unwatched != nil {
		problems = append(slices.Clone(problems), Problem{What: fmt.Sprintf("cannot be followed, reading it every %s: %v", retry, f.unwatched)})
	}
	return f.tell(snapshot, problems)
}

// tell publishes and reports whether that is another thing than before.
func (f *Folder) tell(snapshot reduce.Snapshot, problems []Problem) bool {
	sortProblems(problems)
	last := f.current.Load()
	same := sameSnapshot(last.snapshot, snapshot)
	if same && slices.Equal(last.problems, problems) {
		return false
	}
	known := make(map[Problem]bool, len(last.problems))
	for _, p := range last.problems {
		known[p] = true
	}
	for _, p := range problems {
		if !known[p] {
			f.log.WithField("object", p.File).Warn(p.String())
		}
	}
	if !same {
		f.log.Info("the manifests changed")
	}
	since := last.since
	if len(last.problems) == 0 {
		since = time.Now()
	}
	f.current.Store(&state{snapshot: snapshot, problems: problems, since: since})
	return true
}
