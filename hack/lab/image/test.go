package image

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubeovn/kube-ovn/hack/lab/cache"
)

// Names of the test images, as the manifests of tests and documents write them.
const (
	Busybox = "docker.io/library/busybox:1"
	Nginx   = "docker.io/library/nginx:alpine" // a web server on port 80 and a shell with the usual tools, as the documents use it
	Agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
	CoreDNS = "registry.k8s.io/coredns/coredns:" + cache.CoreDNSVersion
	Multus  = "ghcr.io/k8snetworkplumbingwg/multus-cni:" + cache.MultusVersion
)

// testRevision changes when the images are packed in another way while the programs stay.
const testRevision = "1"

const busyboxProgram = "/usr/bin/busybox"

// TestImages packs the test images from the programs in dir; pause is the name of the sandbox's image. Multus comes in an archive of its own.
func TestImages(ctx context.Context, dir, pause string) ([]string, error) {
	root, err := cache.Dir()
	if err != nil {
		return nil, err
	}
	applets, err := busyboxApplets(ctx)
	if err != nil {
		return nil, err
	}
	suffix := "-" + filepath.Base(dir) + "-" + testRevision + ".tar"
	var archives []string
	for name, images := range map[string][]Image{"images": testImages(dir, pause, applets), "multus": {multus(dir)}} {
		file, err := cache.Make(ctx, root, name+suffix, func(_ context.Context, path string) error { return Write(path, images...) })
		if err != nil {
			return nil, err
		}
		archives = append(archives, file)
	}
	return archives, nil
}

func busyboxApplets(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, busyboxProgram, "--list").Output()
	return strings.Fields(string(out)), err
}

func testImages(dir, pause string, applets []string) []Image {
	base := skeleton(applets)
	web := append(base[:len(base):len(base)], File{Path: "/usr/share/nginx/html/index.html", Mode: 0o644, Content: "<!DOCTYPE html><title>Welcome to nginx!</title>\n"})
	path := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	program := func(name string) []File {
		return []File{{Path: "/tmp", Mode: 0o1777}, {Path: "/etc/nsswitch.conf", Mode: 0o644, Content: "hosts: files dns\n"}, {Path: "/" + name, Source: filepath.Join(dir, name)}}
	}
	return []Image{
		{Name: pause, Files: []File{{Path: "/pause", Source: filepath.Join(dir, "pause")}}, Run: Run{User: "65535:65535", Entrypoint: []string{"/pause"}}},
		{Name: Busybox, Files: base, Run: Run{Env: path, Cmd: []string{"sh"}}},
		{Name: Nginx, Files: web, Run: Run{Env: path, Entrypoint: []string{"/bin/httpd"}, Cmd: []string{"-f", "-p", "80", "-h", "/usr/share/nginx/html"}, StopSignal: "SIGKILL"}},
		{Name: Agnhost, Files: program("agnhost"), Run: Run{Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}}},
		{Name: CoreDNS, Files: program("coredns"), Run: Run{Entrypoint: []string{"/coredns"}}},
	}
}

// skeleton is a root file system of busybox.
func skeleton(applets []string) []File {
	files := []File{
		{Path: "/tmp", Mode: 0o1777}, {Path: "/root", Mode: 0o700}, {Path: "/proc"}, {Path: "/sys"}, {Path: "/dev"}, {Path: "/var"}, {Path: "/var/run"},
		{Path: "/etc/passwd", Mode: 0o644, Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		{Path: "/etc/group", Mode: 0o644, Content: "root:x:0:\nnogroup:x:65534:\n"},
		{Path: "/usr/bin/env", Link: "/bin/busybox"},
		{Path: "/bin/busybox", Source: busyboxProgram},
	}
	for _, applet := range applets {
		if applet != "busybox" {
			files = append(files, File{Path: "/bin/" + applet, Link: "busybox"})
		}
	}
	return files
}

// multus has its programs where the project's own image has them.
func multus(dir string) Image {
	return Image{
		Name: Multus,
		Files: []File{
			{Path: "/tmp", Mode: 0o1777},
			{Path: "/usr/src/multus-cni/bin/multus", Source: filepath.Join(dir, "multus")},
			{Path: "/thin_entrypoint", Source: filepath.Join(dir, "thin_entrypoint")},
		},
		Run: Run{Entrypoint: []string{"/thin_entrypoint"}, WorkingDir: "/"},
	}
}
