// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	spdx "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// writeSBOM writes the bill of materials (SPDX 2.3): each program, the image, and the Go modules that each program was linked
// from, as the program itself says (go version -m). The modules' licences are not looked up.
func (r release) writeSBOM(b binaries, imageDigest string) error {
	doc := r.newSBOM()
	image := pkg("Image", r.image, r.version, "pkg:oci/"+operator.name+"@"+imageDigest+"?repository_url="+r.image)
	image.PrimaryPackagePurpose, image.PackageLicenseDeclared = "CONTAINER", "Apache-2.0"
	doc.add(image)
	doc.relate("DOCUMENT", "DESCRIBES", "Image")
	for _, p := range programs() {
		for _, t := range p.targets {
			id, err := doc.addProgram(r.version, b, p, t)
			if err != nil {
				return fmt.Errorf("%s for %s: %w", p.name, t, err)
			}
			if p.name != plugin.name {
				doc.relate("Image", "CONTAINS", id)
			}
		}
	}
	var out bytes.Buffer
	if err := spdx.Write(&doc.Document, &out, spdx.Indent(" ")); err != nil {
		return err
	}
	return os.WriteFile(r.file(operator.name, ".spdx.json"), out.Bytes(), 0o644)
}

// sbom is a document, and which packages are in it.
type sbom struct {
	v2_3.Document
	known map[common.ElementID]bool
}

func (r release) newSBOM() *sbom {
	return &sbom{known: map[common.ElementID]bool{}, Document: v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      operator.name + " " + r.version,
		DocumentNamespace: r.repository + "/releases/download/" + r.version + "/spdx/" + r.commit, // a fragment would not be allowed
		CreationInfo: &v2_3.CreationInfo{
			Created:  r.when.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "make release"}, {CreatorType: "Organization", Creator: r.repository}},
		},
	}}
}

func pkg(id, name, version, purl string) *v2_3.Package {
	p := &v2_3.Package{
		PackageName: name, PackageSPDXIdentifier: element(id), PackageVersion: version,
		PackageDownloadLocation: "NOASSERTION", PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "NOASSERTION",
		PackageCopyrightText: "NOASSERTION", IsFilesAnalyzedTagPresent: true,
	}
	if purl != "" {
		p.PackageExternalReferences = []*v2_3.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: purl}}
	}
	return p
}

func (d *sbom) addProgram(version string, b binaries, p program, t target) (id string, err error) {
	content, err := b.read(p, t)
	if err != nil {
		return "", err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	sum, err := sha256File(b.path(p, t))
	if err != nil {
		return "", err
	}
	id = "Program-" + p.name + "-" + t.String()
	self := pkg(id, p.name+" "+t.os+"/"+t.arch, version, "")
	self.PrimaryPackagePurpose, self.PackageLicenseDeclared = "APPLICATION", "Apache-2.0"
	self.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: sum}}
	d.add(self)
	d.relate("DOCUMENT", "DESCRIBES", id)
	d.addModules(id, info)
	return id, nil
}

// addModules says what a program was linked from: its modules, as they were replaced, and Go's own library.
func (d *sbom) addModules(program string, info *debug.BuildInfo) {
	version := strings.TrimPrefix(info.GoVersion, "go")
	d.add(pkg("Go-stdlib", "stdlib", version, "pkg:golang/stdlib@"+version))
	d.relate(program, "DEPENDS_ON", "Go-stdlib")
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		id := "Module-" + module.Path + "-" + module.Version
		d.add(pkg(id, module.Path, module.Version, "pkg:golang/"+module.Path+"@"+module.Version))
		d.relate(program, "DEPENDS_ON", id)
	}
}

// notInIDs are the characters that SPDX allows in no identifier.
var notInIDs = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

func element(id string) common.ElementID { return common.ElementID(notInIDs.ReplaceAllString(id, "-")) }

func (d *sbom) add(p *v2_3.Package) {
	if d.known[p.PackageSPDXIdentifier] {
		return
	}
	d.known[p.PackageSPDXIdentifier] = true
	d.Packages = append(d.Packages, p)
}

func (d *sbom) relate(from, how, to string) {
	d.Relationships = append(d.Relationships, &v2_3.Relationship{
		RefA: common.DocElementID{ElementRefID: element(from)}, Relationship: how, RefB: common.DocElementID{ElementRefID: element(to)},
	})
}
