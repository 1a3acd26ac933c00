#include "soma/base.h"

const char *soma_status_name(soma_status status) {
    static const char *const names[] = {"SOMA_OK",
                                        "SOMA_ERROR_ARGUMENT",
                                        "SOMA_ERROR_SHAPE",
                                        "SOMA_ERROR_DTYPE",
                                        "SOMA_ERROR_MEMORY",
                                        "SOMA_ERROR_STATE",
                                        "SOMA_ERROR_RANGE",
                                        "SOMA_ERROR_IO",
                                        "SOMA_ERROR_FORMAT",
                                        "SOMA_ERROR_NONFINITE",
                                        "SOMA_ERROR_CANCELLED",
                                        "SOMA_ERROR_VERSION",
                                        "SOMA_ERROR_UNSUPPORTED"};
    int i = -(int)status;
    return i >= 0 && i < (int)(sizeof names / sizeof names[0]) ? names[i] : "unknown status";
}
