package graph

// Cloud is one of the separate Microsoft clouds: tokens, registrations and links of one are worthless in another (A14).
type Cloud struct {
	Name  string // the name in the configuration
	Login string // login authority
	Graph string // Graph root, without the version
}

// CloudCustom is the name of a cloud whose endpoints the configuration gives.
const CloudCustom = "custom"

// clouds lists the endpoints of FACTS A13. GCC uses global; GovSG is left out, since its Graph has no drives.
func clouds() []Cloud {
	return []Cloud{
		{"global", "https://login.microsoftonline.com", "https://graph.microsoft.com"},
		{"usgovernment", "https://login.microsoftonline.us", "https://graph.microsoft.us"},
		{"dod", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us"},
		{"china", "https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"},
		{"bleu", "https://login.sovcloud-identity.fr", "https://graph.svc.sovcloud.fr"},
		{"delos", "https://login.sovcloud-identity.de", "https://graph.svc.sovcloud.de"},
	}
}

// CloudByName finds a cloud by its name in the configuration.
func CloudByName(name string) (Cloud, bool) {
	for _, c := range clouds() {
		if c.Name == name {
			return c, true
		}
	}
	return Cloud{}, false
}

// contentHosts lists, for each cloud, the host suffixes under which file content is served. Names outside need an entry
// in allowed_hosts. The sovereign clouds of 2026 publish no list; their entries follow the pattern of the login hosts
// and can be widened by configuration.
func contentHosts(cloud string) []string {
	switch cloud {
	case "global":
		return []string{"sharepoint.com", "svc.ms", "1drv.com", "1drv.ms", "onedrive.com", "onedrive.live.com", "storage.live.com", "microsoftpersonalcontent.com"}
	case "usgovernment":
		return []string{"sharepoint.us"}
	case "dod":
		return []string{"sharepoint-mil.us"}
	case "china":
		return []string{"sharepoint.cn"}
	case "bleu":
		return []string{"sharepoint.sovcloud.fr"}
	case "delos":
		return []string{"sharepoint.sovcloud.de"}
	default:
		return nil
	}
}
