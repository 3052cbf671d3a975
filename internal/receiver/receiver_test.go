package receiver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/plumbline-dev/plumbline/internal/receiver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nonce = strings.Repeat("a", 32)

func post(path, body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
}

func nobody(context.Context, string, receiver.Receipt) error { return receiver.ErrNobody }

func TestWhatIsTaken(t *testing.T) {
	for name, test := range map[string]struct {
		request *http.Request
		want    int
	}{
		"an address":                {post("/"+nonce, `{}`), 200},
		"nobody waits there":        {post("/"+strings.Repeat("b", 32), `{}`), 200},
		"behind a proxy":            {post("/hooks/"+nonce, ""), 200},
		"the largest":               {post("/"+nonce, strings.Repeat("x", receiver.MaxBody)), 200},
		"larger":                    {post("/"+nonce, strings.Repeat("x", receiver.MaxBody+1)), 413},
		"a guess":                   {post("/webhook", "{}"), 404},
		"nothing":                   {post("/", "{}"), 404},
		"a short guess":             {post("/"+nonce[1:], "{}"), 404},
		"a look":                    {httptest.NewRequest(http.MethodGet, "/"+nonce, nil), 405},
		"a body that breaks off":    {httptest.NewRequest(http.MethodPost, "/"+nonce, io.MultiReader(strings.NewReader("{"), broken{})), 400},
		"beyond the path, anything": {post("/"+nonce+"?token=1", "not even JSON"), 200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := receiver.New(receiver.Options{HandOn: nobody, Random: rand.Reader})
				w := httptest.NewRecorder()
				if r.ServeHTTP(w, test.request); w.Code != test.want {
					t.Errorf("answered %d %s, want %d", w.Code, w.Body, test.want)
				}
			})
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestNoRandomnessNoReceipt(t *testing.T) {
	r := receiver.New(receiver.Options{HandOn: nobody, Random: broken{}})
	w := httptest.NewRecorder()
	if r.ServeHTTP(w, post("/"+nonce, "{}")); w.Code != 503 {
		t.Errorf("answered %d, want 503", w.Code)
	}
}

func TestAFloodIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := receiver.New(receiver.Options{HandOn: nobody, Random: rand.Reader})
		answered := map[int]int{}
		for range 1000 {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, post("/"+nonce, "{}"))
			answered[w.Code]++
		}
		if answered[429] != 600 || answered[200] != 400 {
			t.Errorf("answered %v, want 400 taken of 1000 at once", answered)
		}
		time.Sleep(time.Second)
		w := httptest.NewRecorder()
		if r.ServeHTTP(w, post("/"+nonce, "{}")); w.Code != 200 {
			t.Errorf("a second later: %d", w.Code)
		}
	})
}

func TestTooManyOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := receiver.New(receiver.Options{Random: rand.Reader, HandOn: func(ctx context.Context, _ string, _ receiver.Receipt) error {
			<-ctx.Done()
			time.Sleep(time.Minute) // whoever waits hangs
			return ctx.Err()
		}})
		code := 0
		for range 600 {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, post("/"+nonce, "{}"))
			code = w.Code
			time.Sleep(10 * time.Millisecond)
		}
		if code != 503 {
			t.Errorf("answered %d, want 503", code)
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestABoardKeepsWhatArrivesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var board receiver.Board
		one, box, err := board.Open(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		two, other, _ := board.Open(rand.Reader)
		r := receiver.New(receiver.Options{HandOn: board.HandOn, Random: rand.Reader})
		request := post("/"+one, "hello")
		request.Header.Set("X-Signature", "s")
		request.Header.Set("X-Long", strings.Repeat("x", receiver.MaxHeaders))
		r.ServeHTTP(httptest.NewRecorder(), request)
		got, err := box.Next(t.Context())
		if err != nil || string(got.Body) != "hello" || got.Header.Get("X-Signature") != "s" || got.Header.Get("X-Long") != "" || !got.At.Equal(time.Now()) || got.ID == "" {
			t.Errorf("got %+v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if got, err := other.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the other box has %+v, %v", got, err)
		}
		board.Close(two)
		if err := board.HandOn(t.Context(), two, receiver.Receipt{}); !errors.Is(err, receiver.ErrNobody) {
			t.Errorf("a box that was taken down: %v", err)
		}
	})
}

func TestABoxIsBounded(t *testing.T) {
	box := receiver.NewBox()
	full := 0
	for i := range 100 {
		for range 2 { // the same may come twice
			if err := box.Put(receiver.Receipt{ID: fmt.Sprint(i)}); errors.Is(err, receiver.ErrFull) {
				full++
			}
		}
	}
	if full != 2*(100-32) {
		t.Errorf("%d were refused", full)
	}
	for i := range 32 {
		if r, err := box.Next(t.Context()); err != nil || r.ID != fmt.Sprint(i) {
			t.Fatalf("%d is %+v, %v", i, r, err)
		}
	}
	if err := box.Put(receiver.Receipt{ID: "0"}); err != nil {
		t.Errorf("what came before: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := box.Next(ctx); err == nil {
		t.Errorf("0 came again: %+v", r)
	}
}

func TestServeHandsOnWhatItTook(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handed := false
	r := receiver.New(receiver.Options{Random: rand.Reader, HandOn: func(ctx context.Context, _ string, got receiver.Receipt) error {
		time.Sleep(100 * time.Millisecond)
		handed = string(got.Body) == "late" && ctx.Err() == nil
		return nil
	}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	answer, err := http.Post("http://"+l.Addr().String()+"/"+nonce, "text/plain", bytes.NewReader([]byte("late")))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !handed {
		t.Error("what was taken is lost")
	}
}
