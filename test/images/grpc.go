// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// grpcDir is where the client lies in its image.
const grpcDir = "opt/grpc-client"

// grpcClientImage builds the image of the official gRPC client with the small program grpc/GrpcClient.java.
func (b *builder) grpcClientImage(ctx context.Context, tag string) (string, error) {
	sources, err := sources()
	if err != nil {
		return "", err
	}
	name := "docker.io/rocketmq-operator/grpc-client:" + tag
	return b.cache.get(ctx, "grpc-client", key(sources, name), ".tar", func(tmp string) error {
		if err := b.need(ctx, debianJava, debianBusybox, debianLibcpp, debianZlib, debianCrypt); err != nil {
			return err
		}
		client, err := b.grpcClient(ctx)
		if err != nil {
			return err
		}
		java, err := b.javaRuntime(ctx)
		if err != nil {
			return err
		}
		entries, err := javaEntries(ctx, java)
		if err != nil {
			return err
		}
		program, err := tree(client, grpcDir, 0)
		if err != nil {
			return fmt.Errorf("list the gRPC client: %w", err)
		}
		b.progress("image %s", name)
		return writeArchive(tmp, image{name: name, entries: append(entries, program...), config: imageConfig{
			User:       "65532:65532",
			WorkingDir: "/tmp",
			Entrypoint: []string{"/" + imageJava + "/bin/java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.home=/tmp",
				"-cp", "/" + grpcDir + ":/" + grpcDir + "/lib/*", "GrpcClient"},
		}})
	})
}

// grpcClient returns a directory with the compiled program, and the client's jar in lib.
func (b *builder) grpcClient(ctx context.Context) (string, error) {
	pom, err := files.ReadFile("grpc/pom.xml")
	if err != nil {
		return "", err
	}
	source, err := files.ReadFile("grpc/GrpcClient.java")
	if err != nil {
		return "", err
	}
	return b.cache.get(ctx, "grpc-client-classes", key(string(pom), string(source)), "", func(tmp string) error {
		b.progress("gRPC client from Maven Central")
		lib := filepath.Join(tmp, "lib")
		if _, err := b.dependencies(ctx, pom, lib); err != nil {
			return err
		}
		file := filepath.Join(tmp, "GrpcClient.java")
		if err := os.WriteFile(file, source, 0o644); err != nil {
			return err
		}
		_, err := command(ctx, tmp, nil, filepath.Join(javaHome, "bin", "javac"), "--release", "17", "-cp", lib+"/*", "-d", tmp, file)
		return err
	})
}
