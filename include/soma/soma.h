/* soma: deep learning for native programs. This header brings all the others. */
#ifndef SOMA_SOMA_H
#define SOMA_SOMA_H

#include "soma/base.h"
#include "soma/context.h"
#include "soma/tensor.h"
#include "soma/ops.h"
#include "soma/grad.h"
#include "soma/capture.h"
#include "soma/nn.h"
#include "soma/optim.h"
#include "soma/schedule.h"
#include "soma/init.h"
#include "soma/perceptron.h"
#include "soma/data.h"
#include "soma/image.h"
#include "soma/transforms.h"
#include "soma/table.h"
#include "soma/metrics.h"
#include "soma/files.h"
#include "soma/archive.h"
#include "soma/state.h"
#include "soma/recipe.h"
#include "soma/model.h"
#include "soma/see.h"
#include "soma/train.h"

#endif
