/* Looking into a model: what of a sample its answer hangs on, and how wrong it is for each sample. Models are looked at in eval mode. */
#ifndef SOMA_SEE_H
#define SOMA_SEE_H

#include "soma/model.h"

/* Below, inputs are one sample as soma_model_predict takes it (of pictures: bytes 0 to 255), and class_number is a class or -1, the one that is
 * predicted. A class's score is what the last layer gives for it, before the softmax of a cross entropy; where one output stands for two classes the
 * first one's score is minus the output; a model that predicts a number has that one, as it is learned, for class 0. SOMA_ERROR_RANGE for another
 * class, SOMA_ERROR_ARGUMENT for NULL. */

/* Saliency (Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks", section 3): how fast the score changes with each input,
 * |d score / d input|, in units of the score for one unit of the input; of samples [channels, height, width] the greatest of a pixel's channels. map
 * has room for height x width numbers, or, for samples of another kind, one for each input. In PyTorch: x.grad.abs().amax(1). */
SOMA_API soma_status soma_model_saliency(soma_model *m, const float *inputs, int64_t class_number, float *map);

/* Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks"): where in a picture is what speaks for the class. The maps
 * [channels, h, w] that `layer` gives are added, each times the mean of the score's gradient by it, and what is negative becomes 0. map has room for
 * height x width numbers, the last two sizes of a sample: the sum of h x w brought to them by torch's bilinear interpolation (align_corners=False),
 * not scaled. layer is a place in the recipe, or -1 for soma_model_grad_cam_layer. SOMA_ERROR_RANGE for another layer, SOMA_ERROR_SHAPE for one that
 * gives no maps, SOMA_ERROR_UNSUPPORTED for a model without any. */
SOMA_API soma_status soma_model_grad_cam(soma_model *m, int64_t layer, const float *inputs, int64_t class_number, float *map);
/* The layer that Grad-CAM takes by itself: the last convolution (or block with weights) that gives maps, or what follows it and keeps their shape, as
 * an activation does; -1: there is none. */
SOMA_API int64_t soma_model_grad_cam_layer(soma_model *m);

/* The loss of each sample of a data set alone, as it is trained but for class weights, which divide out; in the data set's order. losses has room for
 * soma_dataset_count(data) numbers. SOMA_ERROR_SHAPE for other samples than the model's. */
SOMA_API soma_status soma_model_losses(soma_model *m, soma_dataset *data, float *losses);

#endif
