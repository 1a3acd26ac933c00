#include "soma/base.h"

const char *soma_version(void) { return SOMA_VERSION; }
