"""Characters to pictures: the studio, CED, previews, clarity, the evaluation."""
