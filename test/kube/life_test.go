package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead/fairlead/test/lab"
)

// roleVariable makes a run of the test binary something else than a test.
const roleVariable = "FAIRLEAD_TEST_ROLE"

func TestMain(m *testing.M) {
	role, file, _ := strings.Cut(os.Getenv(roleVariable), " ")
	var err error
	switch role {
	case "":
		os.Exit(m.Run())
	case "owner":
		err = own()
	case "client":
		err = ask(file)
	}
	if err != nil {
		fmt.Println("error:", err)
	}
}

// own starts a server, tells where it is, and waits to be killed.
func own() error {
	c, err := shared()
	if err != nil {
		return err
	}
	fmt.Println(c.Address(), c.Home())
	select {}
}

// ask reads an object with a kubeconfig, and says what it holds.
func ask(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	o, err := c.CoreV1().ConfigMaps("default").Get(context.Background(), "kept", metav1.GetOptions{})
	if err == nil {
		fmt.Println("holds", o.Data["a"])
	}
	return err
}

// as runs this test binary in a role, in ns or, where that is nil, here.
func as(ns *lab.Namespace, role string) *exec.Cmd {
	self := os.Args[0]
	cmd := exec.CommandContext(context.Background(), self)
	if ns != nil {
		cmd = ns.Command(context.Background(), lab.Version{}, self)
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// A server whose owner was killed ends, and takes its folder with it.
func TestOwnerKilled(t *testing.T) {
	t.Parallel()
	built(t)
	owner := as(nil, "owner")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := owner.Wait(); err == nil || owner.ProcessState.Exited() {
		t.Fatalf("the owner ended by itself: %v", err)
	}
	text, home, _ := strings.Cut(strings.TrimSpace(line), " ")
	address, err := netip.ParseAddrPort(text)
	if err != nil || home == "" {
		t.Fatalf("the owner said %q", line)
	}
	lab.Eventually(t, 10*time.Second, "server and folder are gone", func() error {
		if err := dial(address); !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("the server answers: %w", err)
		}
		if _, err := os.Stat(home); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("folder %s: %w", home, err)
		}
		return nil
	})
}

func dial(address netip.AddrPort) error {
	conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(address))
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// However a server ends, its data is there after Restart and its resource versions go on; in between all are refused, here
// and in the namespaces that it serves.
func TestOutage(t *testing.T) {
	t.Parallel()
	c := Start(t)
	ns := lab.NewNamespace(t, "client")
	c.Serve(t, ns)
	t.Run("a namespace that is gone is served no more", func(t *testing.T) { c.Serve(t, lab.NewNamespace(t, "gone")) })
	kubeconfig := c.Kubeconfig(t)
	inside := func(want string) {
		t.Helper()
		out, err := as(ns, "client "+kubeconfig).Output()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("in the namespace: %q, %v; want %s", out, err, want)
		}
	}
	maps := client(t, c.Config()).CoreV1().ConfigMaps("default")
	kept, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, end := range []func(lab.T){c.Kill, c.Stop} {
		round := strconv.Itoa(i)
		kept.Data = map[string]string{"a": round}
		if kept, err = maps.Update(t.Context(), kept, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		inside("holds " + round)

		end(t)
		if err := dial(c.Address()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("while it is ended: %v", err)
		}
		inside("connection refused")

		c.Restart(t)
		inside("holds " + round)
		after, err := maps.Get(t.Context(), "kept", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(kept, after); diff != "" {
			t.Errorf("after the restart (-before +after):\n%s", diff)
		}
		after.Data = map[string]string{"a": "again"}
		if after, err = maps.Update(t.Context(), after, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if version(t, after) <= version(t, kept) {
			t.Errorf("resource version %s comes after %s", after.ResourceVersion, kept.ResourceVersion)
		}
		kept = after
	}

	// A frozen server leaves its clients without an answer; thawed it answers again.
	c.Freeze(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := maps.List(ctx, metav1.ListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("frozen: %v", err)
	}
	c.Thaw(t)
	inside("holds again")
}

func version(t *testing.T, o *corev1.ConfigMap) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(o.ResourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A shared server cannot be ended by one of those who share it.
func TestSharedStays(t *testing.T) {
	c := Shared(t)
	for name, end := range map[string]func(lab.T){"Kill": c.Kill, "Stop": c.Stop, "Freeze": c.Freeze} {
		ended := &recorder{T: t}
		ended.run(end)
		if !strings.Contains(ended.failed, "it is shared: the test needs one of its own") {
			t.Errorf("%s: %q", name, ended.failed)
		}
	}
	if err := dial(c.Address()); err != nil {
		t.Error(err)
	}
}

// A server that ends by itself is told of, with what it said last.
func TestDeath(t *testing.T) {
	t.Parallel()
	p, err := startProcess(filepath.Join(t.TempDir(), "log"), built(t), "--no-such-flag")
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	err = p.awaitReady(t.Context(), &rest.Config{Host: "https://" + netip.AddrPortFrom(netip.IPv6Loopback(), 1).String()})
	if err == nil {
		t.Fatal("it is ready")
	}
	for _, told := range []string{err.Error(), (&Cluster{server: p}).death()} {
		if !strings.Contains(told, "it ended by itself (exit status 1)") || !strings.Contains(told, "unknown flag: --no-such-flag") {
			t.Errorf("told %q", told)
		}
	}
}
