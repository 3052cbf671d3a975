package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline/bus"
)

func TestACallbackReachesWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		waiting, receiving := k.connect(), k.connect()
		defer waiting.Close()
		defer receiving.Close()
		subjects := make(chan string, 10)
		spy, err := receiving.Conn().Subscribe("plumbline.callback.>", func(m *nats.Msg) { subjects <- m.Subject })
		if err != nil {
			t.Fatal(err)
		}
		defer spy.Unsubscribe() //nolint:errcheck // the connection's end does

		got, refuse := make(chan string, 10), 1
		stop, err := waiting.AwaitCallbacks(t.Context(), "secret-address", func(data []byte) error {
			if refuse--; refuse >= 0 {
				return errors.New("no room") // it is offered again
			}
			got <- string(data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := receiving.HandCallback(t.Context(), "secret-address", []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if text := <-got; text != "hello" || len(got) != 0 {
			t.Errorf("got %q and %d more", text, len(got))
		}
		if subject := <-subjects; strings.Contains(subject, "secret") {
			t.Errorf("the subject %s tells the address", subject)
		}
		stop()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := receiving.HandCallback(ctx, "secret-address", nil); err == nil || len(got) != 0 {
			t.Errorf("after the end: %v, %d got", err, len(got))
		}
	})
}

func TestACallbackThatComesEarlyWaits(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		handed := alongside(t, func(ctx context.Context) error { return b.HandCallback(ctx, "a", []byte("early")) })
		time.Sleep(time.Second)
		got := make(chan string, 1)
		stop, err := b.AwaitCallbacks(t.Context(), "a", func(data []byte) error { got <- string(data); return nil })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		if text := <-got; text != "early" {
			t.Errorf("got %q", text)
		}
		time.Sleep(time.Second) // for the answer
		handed()
	})
}

func TestACallbackNobodyWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T, k *broker) {
		b := k.connect()
		defer b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := b.HandCallback(ctx, "a", nil); !errors.Is(err, bus.ErrNobodyWaits) {
			t.Errorf("got %v, want ErrNobodyWaits", err)
		}
		if err := b.HandCallback(t.Context(), "a", make([]byte, 9<<20)); !errors.Is(err, nats.ErrMaxPayload) {
			t.Errorf("a huge one: %v", err)
		}
	})
}
