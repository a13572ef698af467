package v1_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"

	kubeovnv1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
)

func TestBigIntReads(t *testing.T) {
	for _, row := range []struct{ json, want string }{
		{`0`, "0"},
		{`-0`, "0"},
		{`00`, ""},
		{`65533`, "65533"},
		{`-7`, "-7"},
		{`18446744073709551616`, "18446744073709551616"},
		{`340282366920938463463374607431768211456`, "340282366920938463463374607431768211456"},
		{`"65533"`, "65533"},
		{`"0065533"`, "65533"},
		{`""`, "0"},
		{`null`, "0"},
		{`5.0`, "5"},
		{`1.8446744073709552e+19`, "18446744073709552000"},
		{`1E3`, "1000"},
		{`2500e-2`, "25"},
		{`5.5`, ""},
		{`"five"`, ""},
		{`"0x10"`, ""},
		{`1e1000000000`, ""},
		{`true`, ""},
		{`[1]`, ""},
		{`{}`, ""},
	} {
		t.Run(row.json, func(t *testing.T) {
			var got kubeovnv1.BigInt
			err := json.Unmarshal([]byte(row.json), &got)
			if row.want == "" {
				if err == nil {
					t.Errorf("read as %s, want an error", got)
				}
				return
			}
			if err != nil || got.String() != row.want {
				t.Errorf("got %s, %v; want %s", got, err, row.want)
			}
		})
	}
}

func TestBigIntWrites(t *testing.T) {
	huge, _ := new(big.Int).SetString("340282366920938463463374607431768211456", 10)
	status := kubeovnv1.SubnetStatus{
		V4AvailableIPs: kubeovnv1.NewBigInt(65533),
		V6AvailableIPs: kubeovnv1.BigIntOf(huge),
	}
	data, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"v4availableIPs":65533,`,
		`"v4usingIPs":0,`,
		`"v6availableIPs":340282366920938463463374607431768211456,`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
	var back kubeovnv1.SubnetStatus
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !equality.Semantic.DeepEqual(status, back) {
		t.Errorf("read back as %+v", back)
	}
}

func TestBigIntCompares(t *testing.T) {
	zero := kubeovnv1.NewBigInt(0)
	if zero != (kubeovnv1.BigInt{}) || zero != kubeovnv1.BigIntOf(nil) || zero != kubeovnv1.BigIntOf(new(big.Int)) {
		t.Error("zero has several forms")
	}
	n := kubeovnv1.NewBigInt(1 << 40)
	if n != kubeovnv1.BigIntOf(big.NewInt(1<<40)) || n.Int().Int64() != 1<<40 || zero.Int().Sign() != 0 {
		t.Errorf("%s does not come back", n)
	}
	n.Int().SetInt64(1)
	if n.String() != "1099511627776" {
		t.Errorf("a change of the copy came through: %s", n)
	}
}

// A dynamic client has statuses as maps; by way of JSON they become statuses, whatever form the server gave the number.
func TestBigIntFromMaps(t *testing.T) {
	for _, row := range []struct {
		value any
		want  string
	}{
		{int64(7), "7"},
		{float64(18446744073709551616), "18446744073709552000"},
		{"18446744073709551616", "18446744073709551616"},
		{nil, "0"},
	} {
		data, err := json.Marshal(map[string]any{"status": map[string]any{"v6usingIPs": row.value}})
		if err != nil {
			t.Fatal(err)
		}
		var subnet kubeovnv1.Subnet
		if err := json.Unmarshal(data, &subnet); err != nil {
			t.Errorf("%v: %v", row.value, err)
		}
		if got := subnet.Status.V6UsingIPs.String(); got != row.want {
			t.Errorf("%v came as %s", row.value, got)
		}
	}
}

// Converters between objects and maps have to keep the number a number.
func TestBigIntThroughMaps(t *testing.T) {
	huge := new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil) // a map holds it as a float
	before := kubeovnv1.Subnet{Status: kubeovnv1.SubnetStatus{
		V4AvailableIPs: kubeovnv1.NewBigInt(65533), V4UsingIPs: kubeovnv1.NewBigInt(1<<53 + 1), V6AvailableIPs: kubeovnv1.BigIntOf(huge),
	}}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&before)
	if err != nil {
		t.Fatal(err)
	}
	status := fields["status"].(map[string]any)
	for field, want := range map[string]any{
		"v4availableIPs": int64(65533), "v4usingIPs": int64(1<<53 + 1), "v6usingIPs": int64(0), "v6availableIPs": 1e30,
	} {
		if status[field] != want {
			t.Errorf("%s is %T %v, want %T %v", field, status[field], status[field], want, want)
		}
	}
	var after kubeovnv1.Subnet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &after); err != nil {
		t.Fatal(err)
	}
	if !equality.Semantic.DeepEqual(before, after) {
		t.Errorf("came back as %+v", after.Status)
	}
}

func FuzzBigIntReads(f *testing.F) {
	for _, seed := range []string{"1", `"2"`, "1e3", "-0.0", `"\u0031"`, "1e-9999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var first, second kubeovnv1.BigInt
		if json.Unmarshal([]byte(text), &first) != nil {
			return
		}
		data, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &second); err != nil || first != second {
			t.Errorf("%s was read as %q, written as %s and read as %q, %v", text, first, data, second, err)
		}
	})
}
