/* Initial values of parameters, as torch.nn.init: each sets a floating variable anew, from the context's stream of initial weights. Distributions are
 * PyTorch's, the numbers are not. All return SOMA_ERROR_ARGUMENT for NULL, for what is no floating variable, and for settings outside their range;
 * SOMA_ERROR_SHAPE where two dimensions are wanted and there are fewer. */
#ifndef SOMA_INIT_H
#define SOMA_INIT_H

#include "soma/nn.h"

/* U[low, high). */
SOMA_API soma_status soma_init_uniform(soma_tensor *variable, double low, double high);
SOMA_API soma_status soma_init_normal(soma_tensor *variable, double mean, double std);
/* Normal, restricted to [low, high]. */
SOMA_API soma_status soma_init_trunc_normal(soma_tensor *variable, double mean, double std, double low, double high);
SOMA_API soma_status soma_init_constant(soma_tensor *variable, double value);

/* What a layer's inputs and outputs are: of weight [out, in, rest...], in * rest and out * rest. */
typedef enum soma_fan { SOMA_FAN_IN, SOMA_FAN_OUT } soma_fan;
/* torch.nn.init.calculate_gain: "linear" and "sigmoid" 1, "tanh" 5/3, "relu" sqrt(2), "selu" 3/4, "leaky_relu" sqrt(2 / (1 + a^2)). -1 for another
 * word. */
SOMA_API double soma_init_gain(const char *nonlinearity, double a);
/* Glorot, Bengio 2010: U(-b, b) with b = gain sqrt(6 / (in + out)), or normal with std gain sqrt(2 / (in + out)). */
SOMA_API soma_status soma_init_xavier_uniform(soma_tensor *variable, double gain);
SOMA_API soma_status soma_init_xavier_normal(soma_tensor *variable, double gain);
/* He et al. 2015: U(-b, b) with b = gain sqrt(3 / fan), or normal with std gain / sqrt(fan). PyTorch's defaults are the gain of leaky_relu and
 * SOMA_FAN_IN. */
SOMA_API soma_status soma_init_kaiming_uniform(soma_tensor *variable, double gain, soma_fan fan);
SOMA_API soma_status soma_init_kaiming_normal(soma_tensor *variable, double gain, soma_fan fan);
/* Saxe et al. 2014: rows (or columns, where there are more rows) of [first, rest] are orthogonal, of length gain. */
SOMA_API soma_status soma_init_orthogonal(soma_tensor *variable, double gain);
/* Martens 2010: normal, with a share of each column of [rows, columns] set to 0 (rounded up). */
SOMA_API soma_status soma_init_sparse(soma_tensor *variable, double sparsity, double std);

/* One of "uniform" [0, 1), "normal" (0, 1), "trunc_normal" (0, 1, in [-2, 2]), "zeros", "ones", "xavier_uniform", "xavier_normal", "kaiming_uniform",
 * "kaiming_normal" (for ReLU), "orthogonal"; SOMA_ERROR_ARGUMENT names them for another word. */
SOMA_API soma_status soma_init_by_name(soma_tensor *variable, const char *name);

/* LSUV, Mishkin, Matas 2016: the weights ("weight", two dimensions or more) of a sequential module, those inside it too, are made orthogonal and
 * scaled one after another until the variance of their layer's output for x is 1 within tolerance, in at most `most` steps each. Biases are set to 0.
 * x as the module takes it. */
SOMA_API soma_status soma_init_lsuv(soma_module *m, soma_tensor *x, double tolerance, int64_t most);

#endif
