package config

// Limits of what a configuration may cost (H-90). They are far above what people
// write and far below what would exhaust a build agent.
const (
	maxFileBytes   = 4 << 20  // one file of configuration, values, or read by a function
	maxTotalBytes  = 32 << 20 // all files together
	maxNesting     = 100      // brackets, blocks, templates
	maxOperators   = 500      // chained in one expression at one level
	maxLiterals    = 5000     // lines and percent signs of one text
	maxInstances   = 10_000   // of one block with for_each
	maxMirrors     = 50_000   // of a whole configuration
	maxElements    = 100_000  // in one value, nested ones included
	maxValueText   = 4 << 20  // bytes of text in one value
	maxModuleDepth = 8        // modules within modules
	maxName        = 128      // bytes of a block label
	maxKey         = 1024     // bytes of a for_each key
)
