package pegasus

// Names that code for the official Go client uses.

// NewScanOptions is DefaultScannerOptions.
//
// Deprecated: use DefaultScannerOptions.
//
//go:fix inline
func NewScanOptions() *ScannerOptions { return DefaultScannerOptions() }

// NewConfig returns a Config with these meta servers.
//
// Deprecated: use a literal.
//
//go:fix inline
func NewConfig(metaServers []string) *Config { return &Config{MetaServers: metaServers} }

// OpType is the type of PError.Op.
//
// Deprecated: use string.
//
//go:fix inline
type OpType = string

// What PError.Op is for the operations of TableConnector, Scanner and Client.
//
// Deprecated: compare with the name of the method.
const (
	OpQueryConfig          = "OpenTable"
	OpGet                  = "Get"
	OpSet                  = "Set"
	OpDel                  = "Del"
	OpMultiDel             = "MultiDel"
	OpMultiGet             = "MultiGet"
	OpMultiGetRange        = "MultiGetRange"
	OpClose                = "Close"
	OpMultiSet             = "MultiSet"
	OpTTL                  = "TTL"
	OpExist                = "Exist"
	OpGetScanner           = "GetScanner"
	OpGetUnorderedScanners = "GetUnorderedScanners"
	OpNext                 = "Next"
	OpScannerClose         = "ScannerClose"
	OpCheckAndSet          = "CheckAndSet"
	OpSortKeyCount         = "SortKeyCount"
	OpIncr                 = "Incr"
	OpBatchGet             = "BatchGet"
	OpDelRange             = "DelRange"
)
