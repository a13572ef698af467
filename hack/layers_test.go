// Package hack holds programs and checks for the people who work on the project.
package hack

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kubeovn/kube-ovn/"

// layers says for each folder which other folders of the module it may import; what is not named is refused. The longest
// folder that holds a package decides, and a package may import what is below its own folder.
var layers = map[string][]string{
	"pkg/apis":   {},
	"pkg/client": {"pkg/apis"},
	"pkg/util":   {"pkg/apis"},
	"pkg/ipam":   {"pkg/apis", "pkg/util"},
	"pkg/ovs":    {"pkg/util"},

	"pkg/controller":                {"pkg/apis", "pkg/client", "pkg/util", "pkg/ipam", "pkg/ovs"},
	"pkg/controller/reconcile":      {"pkg/apis", "pkg/client", "pkg/util", "pkg/ipam", "pkg/ovs"},
	"pkg/controller/sweep":          {"pkg/apis", "pkg/client", "pkg/util", "pkg/ipam", "pkg/ovs", "pkg/controller/reconcile"},
	"pkg/controller/controllertest": {"pkg/apis", "pkg/client", "pkg/util", "pkg/ipam", "pkg/ovs", "pkg/controller/reconcile", "pkg/controller/sweep"},
	// Any other folder below pkg/controller is one kind: it knows no sibling.
	"pkg/controller/*": {"pkg/apis", "pkg/client", "pkg/util", "pkg/ipam", "pkg/ovs", "pkg/controller/reconcile"},

	"pkg/metrics":    {},
	"pkg/daemon":     {"pkg/apis", "pkg/client", "pkg/util", "pkg/ovs", "pkg/metrics"},
	"pkg/daemon/*":   {"pkg/apis", "pkg/client", "pkg/util", "pkg/ovs", "pkg/daemon"},
	"pkg/daemon/api": {"pkg/util"},

	// Any other folder below pkg is the work of one further program.
	"pkg/*": {"pkg/apis", "pkg/client", "pkg/util", "pkg/ovs"},

	"cmd":              {"pkg"},
	"cmd/kube-ovn-cni": {"pkg/daemon/api"},
	"dist":             {"pkg/util"},
	"hack":             {"hack", "pkg"},
	"test":             {"test", "pkg", "hack/lab"},
}

// testOnly names what test files may import in addition: folders of helpers end in test.
func testOnly(folder string) bool {
	return slices.ContainsFunc(strings.Split(folder, "/"), func(name string) bool {
		return len(name) > len("test") && strings.HasSuffix(name, "test")
	})
}

// bans are imports that no package may have, or only those below some folders.
var bans = []struct {
	prefix string
	only   []string
	why    string
}{
	{"sigs.k8s.io/controller-runtime", nil, "informers and pkg/controller/reconcile are enough"},
	{"github.com/onsi/ginkgo", nil, "tests are plain Go"},
	{"github.com/onsi/gomega", nil, "tests are plain Go"},
	{"github.com/golang/mock", nil, "tests run against the real part"},
	{"go.uber.org/mock", nil, "tests run against the real part"},
	{"github.com/sirupsen/logrus", nil, "logs are klog"},
	{"github.com/emicklei/go-restful", nil, "net/http is enough"},
	// Benchmarks compare pkg/ovs with plain use of the library.
	{"github.com/ovn-org/libovsdb", []string{"pkg/ovs", "test/bench"}, "pkg/ovs is the only client of OVSDB"},
	{"github.com/ovn-kubernetes/libovsdb", []string{"pkg/ovs", "test/bench"}, "pkg/ovs is the only client of OVSDB"},
}

// deniedTo are imports that packages below a folder may not have.
var deniedTo = []struct {
	folder, prefix, why string
}{
	{"pkg/ovs", "k8s.io/client-go", "the OVN engine knows no Kubernetes"},
	{"pkg/ovs", "k8s.io/api/", "the OVN engine knows no Kubernetes"},
	{"pkg/ipam", "k8s.io/client-go", "address management knows no Kubernetes"},
	{"pkg/ipam", "k8s.io/api/", "address management knows no Kubernetes"},
	{"pkg/util", "k8s.io/client-go", "leaves hold no client"},
	{"pkg/apis", "k8s.io/client-go", "types hold no client"},
}

// checkImport returns why a file of a folder may not import a package, or "".
func checkImport(folder string, isTest bool, imported string) string {
	for _, ban := range bans {
		allowed := slices.ContainsFunc(ban.only, func(f string) bool { return within(folder, f) })
		if within(imported, ban.prefix) && !allowed {
			return ban.why
		}
	}
	for _, denied := range deniedTo {
		if within(folder, denied.folder) && strings.HasPrefix(imported, denied.prefix) && !isTest {
			return denied.why
		}
	}
	target, ours := strings.CutPrefix(imported, module)
	if !ours {
		return ""
	}
	if testOnly(target) {
		if isTest || testOnly(folder) || within(folder, "test") {
			return ""
		}
		return "only tests import helpers of tests"
	}
	layer, may := layerOf(folder)
	if within(target, layer) || slices.ContainsFunc(may, func(f string) bool { return within(target, f) }) {
		return ""
	}
	return fmt.Sprintf("%s may import %s", layer, strings.Join(may, ", "))
}

// layerOf returns the folder of layers that a folder belongs to, and what it may import.
func layerOf(folder string) (string, []string) {
	for f := folder; f != "."; f = path.Dir(f) {
		if may, ok := layers[f]; ok {
			return f, may
		}
		if may, ok := layers[path.Dir(f)+"/*"]; ok {
			return f, may
		}
	}
	return folder, nil
}

// within reports whether folder is parent or below it.
func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

// checkShells returns the places where a file starts a shell: exec.Command("sh", ...) or anything with "bash", "-c".
func checkShells(files *token.FileSet, file *ast.File) []string {
	var places []string
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || !startsProgram(call) {
			return true
		}
		if slices.ContainsFunc(call.Args, isShell) {
			places = append(places, files.Position(call.Pos()).String())
		}
		return true
	})
	return places
}

// startsProgram reports whether a call is exec.Command, exec.CommandContext, os.StartProcess or syscall.Exec.
func startsProgram(call *ast.CallExpr) bool {
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	receiver, ok := function.X.(*ast.Ident)
	return ok && slices.Contains([]string{
		"exec.Command", "exec.CommandContext", "os.StartProcess", "syscall.Exec", "unix.Exec",
	}, receiver.Name+"."+function.Sel.Name)
}

// isShell reports whether an argument is the name of a shell.
func isShell(argument ast.Expr) bool {
	literal, ok := argument.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return false
	}
	text, err := strconv.Unquote(literal.Value)
	return err == nil && slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh"}, path.Base(text))
}

func TestLayers(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); file != root && (strings.HasPrefix(name, ".") || name == "bin" || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(file, ".go") {
			checked++
			checkFile(t, root, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 100 {
		t.Errorf("saw only %d files", checked)
	}
}

// checkFile reports what one file may not do.
func checkFile(t *testing.T, root, file string) {
	t.Helper()
	rel, err := filepath.Rel(root, file)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	source, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("%s: %v", rel, err)
		return
	}
	folder := path.Dir(filepath.ToSlash(rel))
	for _, spec := range source.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if why := checkImport(folder, strings.HasSuffix(file, "_test.go"), imported); why != "" {
			t.Errorf("%s imports %s: %s", rel, imported, why)
		}
	}
	// A test of a tool may take a shell for a program that prints and fails.
	if strings.HasSuffix(file, "_test.go") && within(folder, "hack") {
		return
	}
	for _, place := range checkShells(files, source) {
		t.Errorf("%s starts a shell: give the program its arguments", strings.TrimPrefix(place, root+"/"))
	}
}

// The rules themselves: what has to pass and what has to be refused.
func TestImportRules(t *testing.T) {
	for _, row := range []struct {
		folder, imported string
		test, allowed    bool
	}{
		{"pkg/apis/kubeovn/v1", "k8s.io/apimachinery/pkg/runtime", false, true},
		{"pkg/apis/kubeovn/v1", module + "pkg/util", false, false},
		{"pkg/client/listers/kubeovn/v1", module + "pkg/client/clientset/versioned", false, true},
		{"pkg/client/listers/kubeovn/v1", module + "pkg/apis/kubeovn/v1", false, true},
		{"pkg/util", module + "pkg/ovs", false, false},
		{"pkg/utility", module + "pkg/ovs", false, true},
		{"pkg/utility", module + "pkg/speaker", false, false},
		{"pkg/ipam", module + "pkg/util", false, true},
		{"pkg/ipam", module + "pkg/ovs", false, false},
		{"pkg/ovs", module + "pkg/ovs/ovnnb", false, true},
		{"pkg/ovs/ovnnb", module + "pkg/ovs", false, true},
		{"pkg/ovs", "k8s.io/client-go/tools/cache", false, false},
		{"pkg/ovs", "github.com/ovn-org/libovsdb/client", false, true},
		{"pkg/ovs/ovnnb", "github.com/ovn-org/libovsdb/model", false, true},
		{"pkg/daemon/port", "github.com/ovn-org/libovsdb/client", false, false},
		{"pkg/controller/vpc", module + "pkg/controller/reconcile", false, true},
		{"pkg/controller/vpc", module + "pkg/ovs", false, true},
		{"pkg/controller/vpc", module + "pkg/controller/subnet", false, false},
		{"pkg/controller/vpc", module + "pkg/controller/vpcdns", false, false},
		{"pkg/controller/vpc", module + "pkg/controller/vpc/routes", false, true},
		{"pkg/controller/vpc/routes", module + "pkg/controller/vpc", false, true},
		{"pkg/controller/vpc/routes", module + "pkg/controller/subnet", false, false},
		{"pkg/controller/vpc", module + "pkg/controller", false, false},
		{"pkg/controller/vpc", module + "pkg/daemon/api", false, false},
		{"pkg/controller/vpc", module + "pkg/controller/controllertest", true, true},
		{"pkg/controller/vpc", module + "pkg/controller/controllertest", false, false},
		{"pkg/controller/reconcile", module + "pkg/controller/vpc", false, false},
		{"pkg/controller", module + "pkg/controller/vpc", false, true},
		{"pkg/controller", module + "pkg/daemon/node", false, false},
		{"pkg/daemon", module + "pkg/daemon/kernel/route", false, true},
		{"pkg/daemon/node", module + "pkg/daemon/kernel/route", false, true},
		{"pkg/daemon/kernel/route", module + "pkg/util", false, true},
		{"pkg/daemon/node", module + "pkg/ipam", false, false},
		{"pkg/daemon/node", module + "pkg/controller/reconcile", false, false},
		{"pkg/daemon/api", module + "pkg/util", false, true},
		{"pkg/daemon/api", module + "pkg/daemon/port", false, false},
		{"pkg/speaker", module + "pkg/ovs", false, true},
		{"pkg/speaker", module + "pkg/controller/vpc", false, false},
		{"pkg/speaker", module + "cmd/speaker", false, false},
		{"cmd/kube-ovn-cni", module + "pkg/daemon/api", false, true},
		{"cmd/kube-ovn-cni", module + "pkg/util", false, false},
		{"cmd/kube-ovn-controller", module + "pkg/controller", false, true},
		{"cmd/kube-ovn-controller", module + "test/framework", false, false},
		{"hack/lab", module + "hack/lab/node", false, true},
		{"hack/lab", module + "cmd/kube-ovn-controller", false, false},
		{"test/bench/ovs", module + "pkg/ovs/ovstest", false, true},
		{"test/bench/ovs", "github.com/ovn-org/libovsdb/client", false, true},
		{"test/integration", module + "hack/lab/cluster", true, true},
		{"hack/lab", module + "test/framework", false, false},
		{"test/framework", "github.com/ovn-org/libovsdb/client", false, false},
		{"pkg/controller/vpc", "sigs.k8s.io/controller-runtime/pkg/client", false, false},
		{"test/e2e", "github.com/onsi/ginkgo/v2", true, false},
	} {
		why := checkImport(row.folder, row.test, row.imported)
		if (why == "") != row.allowed {
			t.Errorf("%s imports %s (test file: %t): %q, allowed should be %t", row.folder, row.imported, row.test, why, row.allowed)
		}
	}
}

func TestShellRule(t *testing.T) {
	for call, want := range map[string]int{
		`exec.Command("sh", "-c", "ls")`:                             1,
		`exec.CommandContext(ctx, "/bin/bash", script)`:              1,
		`exec.Command("nsenter", "-t", pid, "sh", "-c", "ls").Run()`: 1,
		`syscall.Exec("/bin/dash", argv, env)`:                       1,
		`exec.Command("ls", "sh.txt")`:                               0,
		`exec.Command(name, "bashful")`:                              0,
		`log.Print("sh")`:                                            0,
	} {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "x.go", "package x\nfunc f() { "+call+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(checkShells(files, file)); got != want {
			t.Errorf("%s: %d shells, want %d", call, got, want)
		}
	}
}
