package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// The application and token of the demo tenant, for documentation and clients that need them fixed.
const (
	DemoClientID = "11111111-2222-3333-4444-555555555555"
	DemoSecret   = "sandbox-secret"
	DemoToken    = "emu"
)

// Demo describes the tenant of the quick start: contoso with the sites people and finance, two users
// with OneDrives, and names that give mirrors trouble.
func Demo(seed uint64) Options {
	return Options{
		Seed: seed, Name: "contoso", AnyRefreshToken: true, StaticTokens: []string{DemoToken},
		Users: []User{{UPN: "adele@contoso.com", DisplayName: "Adele Vance"}, {UPN: "juergen@contoso.com", DisplayName: "Jürgen Weiß"}},
		Apps:  []App{{ClientID: DemoClientID, Secret: DemoSecret, Public: true}},
		Sites: []SiteSpec{
			{Name: "Contoso", Drives: []DriveSpec{{Name: "Documents", Segment: "Shared Documents"}}},
			{Path: "sites/people", Name: "People", Group: makeGUID(seed, "group", "people").String(), Members: []string{"adele@contoso.com"}, Team: true, Drives: []DriveSpec{
				{Name: "Documents", Segment: "Shared Documents", Files: handbook(seed)},
				{Name: "Preservation Hold Library", Segment: "PreservationHoldLibrary", Hidden: true}}},
			{Path: "sites/finance", Name: "Finance", Drives: []DriveSpec{
				{Name: "Documents", Segment: "Shared Documents", Files: []FileSpec{
					{Path: "Budget/Budget 2024.xlsx", Size: 48213, By: "adele@contoso.com"}, {Path: "Budget/Notes.md", Text: demoText(seed+1, "Budget", 60)}}},
				{Name: "Invoices", Files: invoices()}}},
			{Owner: "adele@contoso.com", Drives: []DriveSpec{{Name: "OneDrive", Segment: "Documents", Files: []FileSpec{
				{Path: "Pictures/Harbour.png", Size: 182044}, {Path: "Notes/Ideas.md", Text: demoText(seed+2, "Ideas", 80)}}}}},
			{Owner: "juergen@contoso.com", Drives: []DriveSpec{{Name: "OneDrive", Segment: "Documents", Files: []FileSpec{
				{Path: "Entwürfe/Übersicht.docx", Size: 23311}}}}},
		},
	}
}

// handbook lists the files of the quick start: about 120 of them, from nothing to 1 MiB.
func handbook(seed uint64) []FileSpec {
	day := defaultEpoch.AddDate(0, 0, -90)
	var list []FileSpec
	add := func(path string, size int64, text string) {
		n := uint64(len(list))
		by := []string{"adele@contoso.com", "juergen@contoso.com"}[mix(seed^n)%2]
		list = append(list, FileSpec{Path: "Handbook/" + path, Size: size, Text: text, By: by, Modified: day.Add(time.Duration(mix(n)%(80*86400)) * time.Second)})
	}
	add("Welcome.md", 0, demoText(seed, "Welcome", 120))
	add("Read me first.txt", 0, "Everything about working at Contoso.\n")
	add("empty.txt", 0, "")
	for i, topic := range []string{"Onboarding", "Travel and Expenses", "Holidays", "IT & Security", "Benefits", "Büro & Räume", "日本オフィス", "Policies #2024", "100% Remote"} {
		for j, doc := range []string{"Overview.md", "Checklist.docx", "FAQ.md", "Contacts.xlsx", "Form A.pdf", "Form B.pdf", "Guide.docx", "Slides.pptx", "Photo.png", "Changes.txt"} {
			n := mix(seed + uint64(i*100+j))
			if strings.HasSuffix(doc, ".md") || strings.HasSuffix(doc, ".txt") {
				add(topic+"/"+doc, 0, demoText(n, topic, 40+int(n%200)))
				continue
			}
			add(topic+"/"+doc, 2000+int64(n%60000), "")
		}
	}
	add("Onboarding/First week/Day 1 – Arrival.docx", 31044, "")
	add("Onboarding/First week/Day 2 – Tools.docx", 28711, "")
	add("Onboarding/First week/Übersicht für Neue.docx", 40122, "")
	add("Onboarding/First week/Größe & Maß.csv", 0, "Artikel;Größe\nHemd;M\nHose;32\n")
	add("日本オフィス/就業規則 (2024年版).pdf", 88123, "")
	add("日本オフィス/ようこそ.md", 0, "# ようこそ\n\n東京オフィスへようこそ。\n")
	add("Team 🎉/Summer party 🌞.pptx", 402133, "")
	add("Team 🎉/Group photo 👩‍💻👨‍🚀.jpg", 1<<20, "")
	add("Archive/2023/Handbook 2023.pdf", 731208, "")
	add("Archive/2023/.hidden settings.json", 0, "{\"theme\":\"light\"}\n")
	add("Archive/2022/Handbook 2022 (final) [v2].pdf", 512000, "")
	add("Archive/2022/it's complicated; really.txt", 0, "Quotes and semicolons are allowed.\n")
	for i := range 12 {
		add(fmt.Sprintf("Minutes/2024/2024-%02d Minutes.md", i+1), 0, demoText(seed+uint64(i), fmt.Sprintf("Minutes %02d", i+1), 90))
	}
	list = append(list, FileSpec{Path: "Handbook/Empty folder", Folder: true})
	return list
}

func invoices() []FileSpec {
	var list []FileSpec
	for i := range 24 {
		list = append(list, FileSpec{Path: fmt.Sprintf("%d/Invoice %04d.pdf", 2023+i/12, 1000+i), Size: 9000 + int64(i)*731, By: "adele@contoso.com"})
	}
	return list
}
