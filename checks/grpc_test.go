package checks_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/checks"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

// healthServer is health that also answers what tests want to see.
type healthServer struct{ *health.Server }

func (h healthServer) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-node", "n1"))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-cost", "3"))
	switch md, _ := metadata.FromIncomingContext(ctx); q.GetService() {
	case "slow":
		<-ctx.Done() // which the server may notice before the client does
		return nil, status.FromContextError(ctx.Err()).Err()
	case "down":
		return nil, status.Error(codes.Unavailable, "draining")
	case "private":
		if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer t0ken-of-blue" || len(md.Get("x-run")) != 1 || md.Get("x-run")[0] != "run1" {
			return nil, status.Error(codes.Unauthenticated, "who are you?")
		}
		return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
	case "large":
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-large", strings.Repeat("x", 80<<10)))
	}
	return h.Server.Check(ctx, q)
}

func grpcServer(t testing.TB, secrecy *tls.Config, describe func(*grpc.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var options []grpc.ServerOption
	if secrecy != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secrecy)))
	}
	server := grpc.NewServer(options...)
	h := health.NewServer()
	h.SetServingStatus("orders", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, healthServer{h})
	describe(server)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

func TestGRPC(t *testing.T) {
	a := newNotary(t)
	plain := grpcServer(t, nil, func(s *grpc.Server) { reflection.RegisterV1(s) })
	old := grpcServer(t, nil, func(s *grpc.Server) { reflection.Register(oldReflection{s}) })
	hidden := grpcServer(t, nil, func(*grpc.Server) {})
	locked := grpcServer(t, a.server(100*time.Hour, false, "127.0.0.1"), func(s *grpc.Server) { reflection.Register(s) })
	expired := grpcServer(t, a.server(-time.Hour, false, "127.0.0.1"), func(*grpc.Server) {})
	web := strings.TrimPrefix(serve(t, answering(404, "text/html", "<html>")), "http://")
	closed, silent := closedAddress(t), listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	const check = "grpc.health.v1.Health/Check"
	open := func(address, rest string) string {
		return "{grpc: {address: '" + address + "', tls: false" + rest + "}"
	}
	tests := map[string]struct {
		check, want string
		failed      bool
	}{
		"serving":          {open(plain, "") + "}", "", false},
		"environment's":    {"{grpc: $(env.url)}", "", false},
		"not serving":      {open(plain, ", service: orders") + "}", `$.status: got "NOT_SERVING", want "SERVING"`, true},
		"is wanted so":     {open(plain, ", service: orders") + ", expect: {$.status: NOT_SERVING}}", "", false},
		"unknown service":  {open(plain, ", service: gone") + "}", `status: got "NOT_FOUND", want "OK"; the server says "unknown service"`, true},
		"wanted unknown":   {open(plain, ", service: gone") + ", expect: {status: NOT_FOUND, message: {contains: unknown}}}", "", false},
		"metadata":         {open(plain, "") + ", expect: {headers.x-node: n1, headers.X-Cost: 3, latency: {lt: 9s}, size: {gt: 5}}}", "", false},
		"large metadata":   {open(plain, ", service: large") + "}", `status: got "INTERNAL", want "OK"; the server says "stream terminated`, true},
		"slow":             {open(plain, ", service: slow") + "}", plain + ": timed out after 1s waiting for the answer", false},
		"unavailable":      {open(plain, ", service: down") + "}", plain + ": UNAVAILABLE: draining", false},
		"wanted so":        {open(plain, ", service: down") + ", expect: {status: UNAVAILABLE}}", "", false},
		"private":          {"{grpc: {address: '" + locked + "', service: private, auth: plum, headers: {X-Run: $(run.id)}}}", "", false},
		"secret kept back": {"{grpc: {address: '" + plain + "', tls: false, service: private, auth: plum}}", plain + ": auth plum: its secret is for", false},
		"TLS":              {"{grpc: '" + locked + "', expect: {certificate: {days: {lt: 5}, chain: verified, protocol: TLS 1.3}}}", "", false},
		"no TLS there":     {"{grpc: '" + plain + "'}", plain + ": ", false},
		"TLS there":        {open(locked, "") + "}", locked + ": ", false},
		"expired":          {"{grpc: '" + expired + "'}", expired + ": TLS: certificate is valid from ", false},
		"refused":          {open(closed, "") + "}", closed + ": connection refused by " + closed, false},
		"silent":           {open(silent, "") + "}", silent + ": timed out after 1s waiting for the answer", false},
		"no gRPC":          {open(web, "") + "}", web + ": ", false},
		"call":             {open(plain, ", call: "+check) + ", expect: {$.status: SERVING}, capture: {s: $.status}}", "", false},
		"call with":        {open(plain, ", call: "+check+", request: {service: orders}") + ", expect: {$: {eq: {status: NOT_SERVING}}}}", "", false},
		"call over TLS":    {"{grpc: {address: '" + locked + "', call: " + check + "}}", "", false},
		"call, refused":    {open(plain, ", call: "+check+", request: {service: gone}") + "}", `status: got "NOT_FOUND", want "OK"`, true},
		"old reflection":   {open(old, ", call: "+check) + ", expect: {$.status: SERVING}}", "", false},
		"no reflection":    {open(hidden, ", call: "+check) + "}", hidden + ": the server has no reflection, which a call needs", false},
		"no service":       {open(plain, ", call: a.B/C") + "}", plain + ": the server has no service a.B", false},
		"no method":        {open(plain, ", call: grpc.health.v1.Health/Chekc") + "}", plain + ": the service grpc.health.v1.Health has no method Chekc", false},
		"stream":           {open(plain, ", call: grpc.health.v1.Health/Watch") + "}", plain + ": grpc.health.v1.Health/Watch is a stream, want a call with one answer", false},
		"wrong request":    {open(plain, ", call: "+check+", request: {servce: a}") + "}", plain + ": the request is no grpc.health.v1.HealthCheckRequest: ", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients := a.trusting(t)
			clients.Connections = checks.NewConnections([]checks.Connection{{Name: "plum", Kind: checks.Bearer, Secret: func() string { return "t0ken-of-blue" },
				Origins: []string{"https://" + locked}}}, clients.Transport, nil)
			compiled, problems := tryCompile(t, clients, test.check)
			if len(problems.Errors()) > 0 {
				t.Fatal(problems)
			}
			_, err := within(t, test.want, compiled, askOf("http://"+plain))
			ends(t, err, test.want, test.failed)
		})
	}
}

// oldReflection takes the service under its former name alone.
type oldReflection struct{ *grpc.Server }

func (o oldReflection) RegisterService(d *grpc.ServiceDesc, impl any) {
	if strings.Contains(d.ServiceName, "v1alpha") {
		o.Server.RegisterService(d, impl)
	}
}
