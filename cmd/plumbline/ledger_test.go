package main

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// ledgerFile describes plum.ledger.v1.Ledger, which no program here was built with: reflection alone tells of it.
func ledgerFile(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	field := func(name string, kind descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: proto.Int32(1), Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if of != "" {
			f.TypeName = &of
		}
		return f
	}
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("ledger.proto"), Package: proto.String("plum.ledger.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			message("GetAccountRequest", field("id", descriptorpb.FieldDescriptorProto_TYPE_INT64, "")),
			message("Account", field("currency", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")),
			message("GetAccountResponse", field("account", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".plum.ledger.v1.Account")),
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Ledger"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("GetAccount"), InputType: proto.String(".plum.ledger.v1.GetAccountRequest"), OutputType: proto.String(".plum.ledger.v1.GetAccountResponse"),
		}}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// ledgerServer says over TLS that it is healthy, what it can do, and in which currency account 7 is.
func ledgerServer(t *testing.T, secrecy *tls.Config) string {
	t.Helper()
	file, known := ledgerFile(t), &protoregistry.Files{}
	if err := known.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	in, out := file.Messages().ByName("GetAccountRequest"), file.Messages().ByName("GetAccountResponse")
	getAccount := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		asked, answer := dynamicpb.NewMessage(in), dynamicpb.NewMessage(out)
		if err := decode(asked); err != nil {
			return nil, err
		}
		if asked.Get(in.Fields().ByName("id")).Int() != 7 {
			return nil, status.Error(codes.NotFound, "no such account")
		}
		account := answer.Mutable(out.Fields().ByName("account")).Message()
		account.Set(account.Descriptor().Fields().ByName("currency"), protoreflect.ValueOfString("INR"))
		return answer, nil
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(secrecy)))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "plum.ledger.v1.Ledger", HandlerType: (*any)(nil), Metadata: "ledger.proto",
		Methods: []grpc.MethodDesc{{MethodName: "GetAccount", Handler: getAccount}}}, struct{}{})
	grpc_reflection_v1.RegisterServerReflectionServer(server, reflection.NewServerV1(reflection.ServerOptions{Services: server, DescriptorResolver: known}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-ended })
	return l.Addr().String()
}
