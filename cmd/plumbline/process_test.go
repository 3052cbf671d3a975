package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/plumbline-dev/plumbline"
)

// freeAddress is an address on loopback where nobody listens. Linux has millions of loopback hosts: one of its own keeps
// a test out of the way of every other program that looks for a port.
func freeAddress(fatalf func(string, ...any)) string {
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(255), 1+rand.N(254))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		fatalf("%v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A child is a process that a test started.
type child struct {
	*exec.Cmd
	name   string
	listen string // of a daemon's gate
	output *lockedBuffer
	ended  chan struct{}
	err    error // once ended
}

// A lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a program with these variables beside what every program needs. It is killed with the test, whose log gets
// its output if the test failed.
func start(t *testing.T, env []string, name string, args ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(name, args...), name: filepath.Base(name), output: &lockedBuffer{}, ended: make(chan struct{})}
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/no-home", "GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}, env...)
	c.Stdout, c.Stderr = c.output, c.output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.err = c.Wait(); close(c.ended) }()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		<-c.ended
		if t.Failed() {
			t.Logf("%s %s:\n%s", c.name, strings.Join(args, " "), c.output)
		}
	})
	return c
}

// stop tells a process to end, and wants it to do so as it should.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.ended:
		if c.err != nil {
			t.Errorf("%s: %v", c.name, c.err)
		}
	case <-time.After(patience):
		t.Errorf("%s doesn't end", c.name)
	}
}

// kill ends a process without a word.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.ended
}

// plumblineExits runs a command to its end, wants this exit code and returns its standard output.
func plumblineExits(t *testing.T, code int, env []string, args ...string) string {
	t.Helper()
	out, _ := plumblineRuns(t, code, env, args...)
	return out
}

// plumblineRuns is plumblineExits with the standard error.
func plumblineRuns(t *testing.T, code int, env []string, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, "plumbline", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR")}, env...)
	cmd.Stdout, cmd.Stderr = &out, &log
	_ = cmd.Run() // its exit code decides
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("plumbline %s exited %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &log)
	}
	return out.String(), log.String()
}

// until polls for what other processes bring about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// stockServer builds the nats-server that go.mod names, once, as anybody would.
var stockServer = sync.OnceValues(func() (string, error) {
	file := filepath.Join(built, "nats-server")
	output, err := exec.Command("go", "build", "-o", file, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build nats-server: %w\n%s", err, output)
	}
	return file, nil
})

// natsServer starts one with these arguments and returns when it listens at an address, with JetStream if that was asked for.
func natsServer(t *testing.T, address string, args ...string) *child {
	t.Helper()
	file, err := stockServer()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, nil, file, args...)
	until(t, "nats-server listens at "+address, func() bool {
		conn, err := nats.Connect("nats://" + address)
		if err != nil {
			return false
		}
		defer conn.Close()
		js, err := jetstream.New(conn)
		if err != nil {
			return false
		}
		_, err = js.AccountInfo(t.Context())
		return err == nil || !slices.Contains(args, "-js") && !slices.Contains(args, "--config")
	})
	return c
}

// A stockClient speaks to the bus as somebody else's program does: without a line of plumbline's.
type stockClient struct {
	jetstream.JetStream
	conn *nats.Conn
}

func newStockClient(t *testing.T, address string) stockClient {
	t.Helper()
	conn, err := nats.Connect("nats://" + address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return stockClient{js, conn}
}

func (c stockClient) publish(t *testing.T, subject, body string) {
	t.Helper()
	if _, err := c.Publish(t.Context(), subject, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// count is how many messages of a stream have a subject such as this.
func (c stockClient) count(t *testing.T, stream, filter string) int {
	t.Helper()
	s, err := c.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(filter))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, messages := range info.State.Subjects {
		n += int(messages)
	}
	return n
}

// next waits for the first message of a stream with a subject such as this that wanted accepts.
func (c stockClient) next(t *testing.T, stream, filter string, wanted func(jetstream.Msg) bool) jetstream.Msg {
	t.Helper()
	consumer, err := c.OrderedConsumer(t.Context(), stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; {
		m, err := consumer.Next(jetstream.FetchMaxWait(time.Until(deadline)))
		if err != nil {
			t.Fatalf("nothing as wanted in %s on %s: %v", stream, filter, err)
		}
		if wanted(m) {
			return m
		}
	}
}

// verdict waits for the verdict about a version of plum.
func (c stockClient) verdict(t *testing.T, color plumbline.Color, version string) plumbline.Verdict {
	t.Helper()
	var event struct {
		Type string
		Data struct{ Verdict plumbline.Verdict }
	}
	c.next(t, "PLUMBLINE_VERDICTS", fmt.Sprintf("plumbline.verdict.plum.%s.*", color), func(m jetstream.Msg) bool {
		if err := json.Unmarshal(m.Data(), &event); err != nil {
			t.Fatal(err)
		}
		return event.Data.Verdict.Release.Version == version
	})
	if event.Type != "dev.plumbline.verdict.v1" {
		t.Errorf("the verdict has type %q", event.Type)
	}
	return event.Data.Verdict
}
