package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const serving = "serve"

// askedPath tells how often the server was asked since it was last told.
const askedPath = "/asked"

func pathOf(i int) string { return fmt.Sprintf("/projects/%d", i) }

// body is 2 KiB of JSON with what is looked for in the middle.
func body() []byte {
	var items []string
	for i := range 13 {
		items = append(items, fmt.Sprintf(`{"id":%d,"sku":"plum-%04d","price":{"amount":%d.50,"currency":"EUR"}}`, i, i, i))
	}
	list := "[" + strings.Join(items, ",") + "]"
	return fmt.Appendf(nil, `{"before":%s,"project":{"id":"p-1","state":"ready","tags":["a","b"]},"behind":%s}`+"\n", list, list)
}

// serve answers everything alike, after a delay, until ctx ends. The first line of out is its URL.
func serve(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("serve wants DELAY")
	}
	delay, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var asked atomic.Int64
	answer := body()
	mux := http.NewServeMux()
	mux.HandleFunc(askedPath, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, asked.Swap(0)) })
	mux.HandleFunc("/projects/", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		time.Sleep(delay)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(out, "http://%s\n", listener.Addr())
	return server.Serve(listener)
}

// A local is a server in a process of its own.
type local struct {
	cmd *exec.Cmd
	url string
}

func startServer(ctx context.Context, delay time.Duration) (*local, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &local{cmd: exec.CommandContext(ctx, self, serving, delay.String())}
	said, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		l.stop()
		return nil, fmt.Errorf("the server: %w", err)
	}
	l.url = strings.TrimSpace(line)
	return l, nil
}

func (l *local) stop() {
	_ = l.cmd.Process.Kill()
	_ = l.cmd.Wait()
}

func (l *local) asked(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+askedPath, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}
