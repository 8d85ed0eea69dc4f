"""Tiny models of transformers' own SAM classes with random weights, saved as they are published."""

import json

SIZE = 64


def save_sam(folder):
    import torch
    import transformers as t

    torch.manual_seed(0)
    config = t.SamConfig(
        vision_config={
            "hidden_size": 16, "output_channels": 8, "num_hidden_layers": 2, "mlp_dim": 16,
            "num_attention_heads": 2, "image_size": SIZE, "patch_size": 8, "window_size": 4,
            "global_attn_indexes": [1], "num_pos_feats": 4, "initializer_range": 0.2,
        },
        prompt_encoder_config={"hidden_size": 8, "image_size": SIZE, "patch_size": 8,
                               "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 8, "mlp_dim": 16, "num_attention_heads": 2,
                             "iou_head_hidden_dim": 8},
    )  # fmt: skip
    _shaken(t.SamModel(config)).save_pretrained(folder)
    pixels = t.SamImageProcessor(
        size={"longest_edge": SIZE}, pad_size={"height": SIZE, "width": SIZE}
    )
    t.SamProcessor(pixels).save_pretrained(folder)


def save_sam2(folder, *, video=False):
    import torch
    import transformers as t

    torch.manual_seed(0)
    sizes = [[SIZE // 4] * 2, [SIZE // 8] * 2, [SIZE // 16] * 2]
    parts = {
        "vision_config": {
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1,
                "image_size": [SIZE, SIZE], "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64], "window_size_per_stage": [8, 4, 4, 4],
                "num_attention_heads_per_stage": [1, 2, 4, 8], "global_attention_blocks": [3],
                "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 32,
            "backbone_feature_sizes": sizes,
        },
        "prompt_encoder_config": {"hidden_size": 32, "image_size": SIZE, "mask_input_channels": 4},
        "mask_decoder_config": {"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 2,
                                "iou_head_hidden_dim": 8},
    }  # fmt: skip
    if video:
        memory = {
            "image_size": SIZE, "memory_attention_hidden_size": 32,
            "memory_encoder_hidden_size": 32,
            "memory_encoder_output_channels": 8, "memory_attention_num_layers": 1,
            "memory_attention_num_attention_heads": 1, "mask_downsampler_embed_dim": 32,
            "memory_attention_feed_forward_hidden_size": 16, "memory_fuser_embed_dim": 32,
            "memory_attention_rope_feat_sizes": sizes[-1],
        }  # fmt: skip
        model = t.Sam2VideoModel(t.Sam2VideoConfig(**parts, **memory))
    else:
        model = t.Sam2Model(t.Sam2Config(**parts))
    _shaken(model).save_pretrained(folder)
    t.Sam2Processor(_square(t.Sam2ImageProcessor), target_size=SIZE).save_pretrained(folder)


def save_sam3(folder):
    import torch
    import transformers as t

    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = t.Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model", "hidden_size": 16, "intermediate_size": 16,
                "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIZE,
                "patch_size": 8, "window_size": 4, "global_attn_indexes": [1],
                "pretrain_image_size": SIZE,
            },
            "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "vocab_size": 40, "max_position_embeddings": 32,
                     "projection_dim": 16, "eos_token_id": 1, "bos_token_id": 0},
        geometry_encoder_config=small,
        detr_encoder_config=small,
        detr_decoder_config=small | {"num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    _shaken(t.Sam3Model(config)).save_pretrained(folder)
    tokenizer = _letters(folder)
    processor = t.Sam3Processor(_square(t.Sam3ImageProcessor), tokenizer, target_size=SIZE)
    processor.save_pretrained(folder)


def _square(kind):
    return kind(size={"height": SIZE, "width": SIZE}, mask_size={"height": 16, "width": 16})


def _letters(folder):
    """A CLIP tokenizer that knows letters."""
    import transformers as t

    letters = "abcdefghijklmnopq"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{x}</w>" for x in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return t.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"),
                           model_max_length=32)  # fmt: skip


def _shaken(model):
    """Give every weight a value that matters: fresh models are too near 0 to differ in a mask."""
    import torch

    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return model.eval()
